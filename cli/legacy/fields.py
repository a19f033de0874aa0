"""Finds the fields of an old event under their known names, or under names given with `--map`.

Known names may be written in any case, with or without `_` and `-`: `billed_usd` is `billedUsd`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from api.imports.money import PRICE_NAMES, REVENUE_NAMES, undecided_money
from api.imports.old_event import NAMES
from cli.errors import Finding, InputError

_MONEY_FIELDS: Final = (REVENUE_NAMES, PRICE_NAMES)


@dataclass(frozen=True, slots=True)
class Naming:
    """The names of fields in a file.

    Args:
        given: Paths by field, such as `request.status`; they take precedence over `NAMES`.
        ignored: Names of fields in the file that are left out, also if they may be money.
    """

    given: Mapping[str, Sequence[str]]
    ignored: Collection[str] = ()

    def record(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of `NAMES` that an entry has and that are not null.

        Args:
            entry: The entry in the file.
        """
        own = {name: value for name, value in entry.items() if name not in self.ignored}
        known = _with_known_names(own)
        # An amount that is mapped counts, whatever amounts in other units there are.
        dropped = {
            name
            for names in _MONEY_FIELDS
            if any(name in self.given for name in names)
            for name in names
            if name not in self.given
        }
        found = {}
        for field, names in NAMES.items():
            if field in dropped:
                continue
            value = _at(entry, self.given[field]) if field in self.given else None
            for name in names:
                if value is not None:
                    break
                value = known.get(name)
            if value is not None:
                found[field] = value
        return found

    def undecided(self, entry: Mapping[str, Any]) -> Sequence[str]:
        """Return why it is not clear what money an entry has; nothing if it is."""
        mapped = {path[0] for path in self.given.values()}
        decided = {*self.given, *mapped, *self.ignored}
        own = {name: value for name, value in entry.items() if name not in decided}
        return undecided_money(_with_known_names(own), decided)

    def unused(self, entry: Mapping[str, Any]) -> Sequence[str]:
        """Return the names of an entry's fields that have no place in the log."""
        mapped = {path[0] for path in self.given.values()}
        return [
            name for name in entry if name not in mapped and _normal(name) not in _NAMES_BY_NORMAL
        ]


def read_naming(options: Sequence[str], ignored: Sequence[str] = ()) -> Naming:
    """Parse options of the form `OLD=NEW`.

    Args:
        options: Such as `request.status=status`; NEW is a key of `NAMES`.
        ignored: Names of fields that are left out.

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
    return Naming(given, frozenset(ignored))


def _with_known_names(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an entry whose fields have their known names, as far as these are free."""
    found: dict[str, Any] = {}
    for name, value in entry.items():
        known = name if name in _NAMES else _NAMES_BY_NORMAL.get(_normal(name), name)
        # Of two spellings of one name, the second may be another amount.
        found[name if known in found or (known != name and known in entry) else known] = value
    return found


@lru_cache(1_000)
def _normal(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _at(entry: Any, path: Sequence[str]) -> Any:  # noqa: ANN401 (JSON)
    for name in path:
        if not isinstance(entry, dict):
            return None
        entry = entry.get(name)
    return entry


_NAMES: Final = frozenset(name for names in NAMES.values() for name in names)
_NAMES_BY_NORMAL: Final = {_normal(name): name for name in _NAMES}
