"""Requests by status class, method and outcome, of which there are a limited number."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from core.errors import SummaryUnreadable
from core.ports import Json

KINDS_MAX = 128
"""Kinds that are counted separately, besides `OTHER`."""
OUTCOME_LENGTH_MAX = 64
"""Longer outcomes are counted as `other`."""

_OTHER = "other"
_WIDTH = 4
_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE")
)


class Kind(NamedTuple):
    """A status class (2 for 200 to 299), a method and an outcome, see `UsageEvent`."""

    status_class: int
    method: str
    outcome: str


class KindCounts(NamedTuple):
    """The requests of a kind, the calls among them, their errors and revenue."""

    requests: int
    calls: int
    errors: int
    revenue_micros: int


OTHER = Kind(0, _OTHER, _OTHER)
"""The kind of everything beyond the limit."""


@dataclass(slots=True, eq=False)
class Kinds:
    """Requests by kind. `add` and `merge` are associative and commutative.

    If there are more than `KINDS_MAX`, the first in sorted order are kept, and the others are
    counted together. A kind that is among the first of all is also among the first of any part, so
    no part ever counts it with the others. `_counts` has the fields of `KindCounts`; decoded kinds
    keep their encoded form in `_packed` until they are needed.
    """

    _counts: dict[tuple[int, str, str], list[int]] = field(default_factory=dict)
    _packed: Sequence[Json] = ()

    def add(self, kind: tuple[int, str, str], calls: int, errors: int, revenue_micros: int) -> None:
        """Add a request."""
        if self._packed:
            self._unpack()
        counts = self._counts.get(kind)
        if counts is None:
            self._add(kind, [1, calls, errors, revenue_micros])
            return
        counts[0] += 1
        counts[1] += calls
        counts[2] += errors
        counts[3] += revenue_micros

    def merge(self, other: Kinds) -> None:
        """Add the requests of `other`. Raises `SummaryUnreadable`."""
        if self._packed:
            self._unpack()
        for kind, counts in other._unpack().items():
            self._add(kind, counts)

    def by(self, name: Literal["status_class", "method", "outcome"]) -> Mapping[str, KindCounts]:
        """Return the requests by status class, method or outcome, in sorted order."""
        position = Kind._fields.index(name)
        found: dict[str, list[int]] = {}
        for kind, counts in self._unpack().items():
            _increase(found.setdefault(str(kind[position]), [0] * _WIDTH), counts)
        return {name: KindCounts(*found[name]) for name in sorted(found)}

    def encode(self) -> Json:
        """Encode as a list of rows in sorted order, each with the fields of both tuples."""
        return self._packed or [[*kind, *counts] for kind, counts in sorted(self._counts.items())]

    @staticmethod
    def decode(value: Json) -> Kinds:
        """Decode what `encode` returned.

        Raises `SummaryUnreadable` for an invalid form; rows are checked when they are needed.
        """
        if not isinstance(value, list):
            raise SummaryUnreadable("the kinds of requests have an invalid form")
        return Kinds(_packed=value)

    def _unpack(self) -> Mapping[tuple[int, str, str], Sequence[int]]:
        """Return the counts. Raises `SummaryUnreadable`."""
        if not self._packed:
            return self._counts
        kinds = Kinds()
        for row in self._packed:
            match row:
                case [int(status_class), str(method), str(outcome), *counts] if (
                    len(counts) == _WIDTH
                    and set(map(type, [status_class, *counts])) == {int}
                    and min(counts) >= 0
                ):
                    kinds._add((status_class, method, outcome), counts)
                case _:
                    raise SummaryUnreadable(f"the kinds of requests have the invalid row {row!r}")
        self._counts, self._packed = kinds._counts, ()
        return self._counts

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Kinds):
            return NotImplemented
        return self._unpack() == other._unpack()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def _add(self, kind: tuple[int, str, str], counts: Sequence[int]) -> None:
        known = self._counts
        status_class, method, outcome = kind
        if method not in _METHODS or len(outcome) > OUTCOME_LENGTH_MAX:
            outcome = outcome if len(outcome) <= OUTCOME_LENGTH_MAX else _OTHER
            kind = status_class, method if method in _METHODS else _OTHER, outcome
        _increase(known.setdefault(kind, [0] * _WIDTH), counts)
        while len(known) - (OTHER in known) > KINDS_MAX:
            last = max(kind for kind in known if kind != OTHER)
            _increase(known.setdefault(OTHER, [0] * _WIDTH), known.pop(last))


def _increase(counts: list[int], more: Sequence[int]) -> None:
    counts[:] = map(operator.add, counts, more)
