"""Distinct callers of several sketches together, such as those of a category's APIs.

Owns sets only: how often each called is not asked here, which makes a union
much cheaper than a merge. Like a sketch it is exact up to 1,000 callers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import callers
from callers import CallerSketch, estimated
from distinct import NOTHING, Planes, counted, union

_NAMED_AT_ONCE_MAX = 50_000
"""How many names a union holds before it pours them, to bound its memory."""


@dataclass(slots=True)
class CallerUnion:
    """The distinct callers of any of several sketches, which stay as they are."""

    _named: set[int] = field(default_factory=set)
    _planes: Planes = NOTHING
    _estimated: tuple[Planes, int] | None = None

    def add(self, sketch: CallerSketch) -> None:
        """Count the callers of one more."""
        named, planes, _ = sketch.state()
        self._named.update(named)
        if planes is not None:
            self._planes = union(self._planes, planes)
        if len(self._named) > _NAMED_AT_ONCE_MAX:
            self._pour()

    def copy(self) -> CallerUnion:
        """Give a union with the same callers, to be added to on its own."""
        if len(self._named) > callers.EXACT_CALLERS_MAX:
            self._pour()
        return CallerUnion(set(self._named), self._planes, self._estimated)

    def distinct(self) -> int:
        """Count the callers: exactly up to 1,000, then within 2 %."""
        if self._planes == NOTHING and len(self._named) <= callers.EXACT_CALLERS_MAX:
            return len(self._named)
        self._pour()
        if self._estimated is None or self._estimated[0] != self._planes:
            self._estimated = (self._planes, estimated(self._planes))
        return self._estimated[1]

    def _pour(self) -> None:
        if self._named:
            self._planes = counted(self._planes, self._named)
            self._named = set()


def distinct_callers(sketches: Iterable[CallerSketch]) -> int:
    """Count the callers of any of `sketches`, which stay as they are.

    Exactly up to 1,000, then within 2 %.
    """
    everyone = CallerUnion()
    for sketch in sketches:
        everyone.add(sketch)
    return everyone.distinct()
