"""All that is wrong with an input, told at once and within bounds."""

from collections.abc import Sequence
from typing import Final

from cli.errors import Finding, InputError

FINDINGS_MAX: Final = 20
"""Mistakes that are shown; of more, how many there are."""


class Findings:
    """Collects mistakes; `InputError` has the first of them and how many there are."""

    def __init__(self) -> None:
        """Begin without any."""
        self._first: list[Finding] = []
        self._count = 0

    def add(self, message: str, place: str = "", line: int | None = None) -> None:
        """Note a mistake.

        Args:
            message: What is wrong, and how to mend it.
            place: The file, option or field.
            line: The line in that file, from 1.
        """
        self._count += 1
        if len(self._first) < FINDINGS_MAX:
            self._first.append(Finding(message, place, line))

    def extend(self, findings: Sequence[Finding]) -> None:
        """Note mistakes that were found elsewhere."""
        for one in findings:
            self.add(one.message, one.place, one.line)

    def __bool__(self) -> bool:
        """Whether anything is wrong."""
        return self._count > 0

    def refuse(self, what: str) -> None:
        """Raise `InputError` if anything is wrong.

        Args:
            what: What cannot be used, such as "The dataset".
        """
        if not self:
            return
        shown = len(self._first)
        number = "one mistake" if self._count == 1 else f"{self._count} mistakes"
        rest = f"; the first {shown} of them" if self._count > shown else ""
        raise InputError(
            f"{what} cannot be used: {number}{rest}.", "Nothing was sent.", self._first
        )
