"""Finds the fields of an old event under their known names, or under names given with `--map`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.imports.old_event import NAMES
from cli.errors import Finding, InputError


@dataclass(frozen=True, slots=True)
class Naming:
    """The names of fields in a file.

    Args:
        given: Paths by field, such as `request.status`; they take precedence over `NAMES`.
    """

    given: Mapping[str, Sequence[str]]

    def record(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of `NAMES` that an entry has and that are not null.

        Args:
            entry: The entry in the file.
        """
        found = {}
        for field, names in NAMES.items():
            value = _at(entry, self.given[field]) if field in self.given else None
            for name in names:
                if value is not None:
                    break
                value = entry.get(name)
            if value is not None:
                found[field] = value
        return found


def read_naming(options: Sequence[str]) -> Naming:
    """Parse options of the form `OLD=NEW`.

    Args:
        options: Such as `request.status=status`; NEW is a key of `NAMES`.

    Raises:
        InputError: Some are invalid; the findings list all of them.
    """
    given: dict[str, Sequence[str]] = {}
    findings = []
    for option in options:
        old, separator, new = option.partition("=")
        if not separator or not all(old.split(".")):
            findings.append(Finding(f"{option!r} is not of the form OLD=NEW", "--map"))
        elif new not in NAMES:
            findings.append(Finding(f"{new!r} is not one of {', '.join(NAMES)}", "--map"))
        elif new in given:
            findings.append(Finding(f"{new!r} is given twice", "--map"))
        else:
            given[new] = tuple(old.split("."))
    if findings:
        raise InputError("--map is invalid.", "Use --map OLD=NEW.", findings)
    return Naming(given)


def _at(entry: Any, path: Sequence[str]) -> Any:  # noqa: ANN401 (JSON)
    for name in path:
        if not isinstance(entry, dict):
            return None
        entry = entry.get(name)
    return entry
