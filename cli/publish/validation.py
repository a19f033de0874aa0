"""Collects all mistakes of an input, to report them in one error."""

from collections.abc import Sequence
from typing import Final

from cli.errors import Finding, InputError

FINDINGS_MAX: Final = 20
"""How many mistakes are listed; the rest is only counted."""


class Findings:
    """The mistakes of one input."""

    def __init__(self) -> None:
        """Start without mistakes."""
        self._first: list[Finding] = []
        self._count = 0

    def add(self, message: str, place: str = "", line: int | None = None) -> None:
        """Add a mistake.

        Args:
            message: What is wrong, and how to fix it.
            place: The file, option or field.
            line: The line in that file, from 1.
        """
        self._count += 1
        if len(self._first) < FINDINGS_MAX:
            self._first.append(Finding(message, place, line))

    def extend(self, findings: Sequence[Finding]) -> None:
        """Add several mistakes."""
        for one in findings:
            self.add(one.message, one.place, one.line)

    def __bool__(self) -> bool:
        """Whether there are mistakes."""
        return self._count > 0

    def refuse(self, what: str, advice: str = "Nothing was sent.") -> None:
        """Raise `InputError` if there are mistakes.

        Args:
            what: The input, such as "The dataset".
            advice: How to fix them, as a sentence.
        """
        if not self:
            return
        shown = len(self._first)
        number = "one mistake" if self._count == 1 else f"{self._count} mistakes"
        rest = f"; showing the first {shown}" if self._count > shown else ""
        raise InputError(f"{what} is invalid: {number}{rest}.", advice, self._first)
