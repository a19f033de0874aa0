"""The figures of the whole marketplace over some span of time.

Owns adding up by API and for all APIs together. Like `Aggregate`, `Figures`
merge in any order and grouping, and equal ones are written alike. Refuses to
know which span it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from aggregates import Aggregate, Description, is_error
from callers import CallerSketch
from errors import SummaryUnreadable
from events import Batch
from ports import Json
from series import Series, Totals

DEFAULT_DIRECTORY = "APIs"
"""The category of an API that is described without one."""


class ApiId(NamedTuple):
    """What tells one API from another: a slug belongs to a tenant only for a time."""

    tenant_id: str
    slug: str


@dataclass(slots=True)
class Figures:
    """Figures by API, and what concerns them all.

    `series` and `callers` are of all APIs together. `dropped` is how many
    events the writers had to drop.
    """

    apis: dict[ApiId, Aggregate] = field(default_factory=dict)
    series: Series = field(default_factory=Series)
    callers: CallerSketch = field(default_factory=CallerSketch)
    dropped: int = 0

    def add(self, batch: Batch) -> None:
        """Count the events of one batch."""
        self.dropped += batch.dropped
        for event in batch.events:
            # A request for an API that does not exist has no API's figures to go into.
            if event.api is not None:
                self._of(ApiId(event.api.tenant_id, event.api.slug)).add(event)
                failed = event.counted and is_error(event.status)
                totals = Totals(int(event.counted), int(failed), event.revenue_micros)
                self.series.add(event.at_ms, totals)
                if event.counted:
                    self.callers.add(event.caller)

    def merge(self, other: Figures) -> None:
        """Count everything that `other` has counted."""
        for identity, aggregate in other.apis.items():
            self._of(identity).merge(aggregate)
        self.series.merge(other.series)
        self.callers.merge(other.callers)
        self.dropped += other.dropped

    def close_days(self, before_day: int) -> None:
        """Forget the hours of whole days, as `Aggregate.close_days` does."""
        self.series.close_days(before_day)
        for aggregate in self.apis.values():
            aggregate.close_days(before_day)

    def forget_days(self, before_day: int) -> None:
        """Drop single APIs' calls by day, as `Aggregate.forget_days` does."""
        for aggregate in self.apis.values():
            aggregate.forget_days(before_day)

    def encode(self) -> tuple[Json, Iterator[Json]]:
        """Write the figures: what concerns all APIs as a list by position, then each API, in order.

        The list is dropped, series, callers.
        """
        apis = ([*identity, self.apis[identity].encode()] for identity in sorted(self.apis))
        return [self.dropped, self.series.encode(), self.callers.encode()], apis

    @staticmethod
    def decode(value: Json, apis: dict[ApiId, Aggregate]) -> Figures:
        """Read figures back. Raises `SummaryUnreadable` for what `encode` does not write."""
        match value:
            case [int(dropped), series, callers] if dropped >= 0:
                return Figures(apis, Series.decode(series), CallerSketch.decode(callers), dropped)
            case _:
                raise SummaryUnreadable("its figures are of another form")

    def _of(self, identity: ApiId) -> Aggregate:
        aggregate = self.apis.get(identity)
        if aggregate is None:
            aggregate = self.apis[identity] = Aggregate()
        return aggregate


def sum_of(parts: Iterable[Figures]) -> Figures:
    """Merge any number of figures into new ones."""
    result = Figures()
    for part in parts:
        result.merge(part)
    return result


def directory_of(description: Description | None) -> str:
    """Name the category of an API that was described so; `APIs` if it has none."""
    return (description[1].directory if description else "") or DEFAULT_DIRECTORY


def callers_by_directory(figures: Figures) -> Mapping[str, CallerSketch]:
    """Find the callers of each category, as its APIs were described last."""
    found: dict[str, CallerSketch] = {}
    for aggregate in figures.apis.values():
        name = directory_of(aggregate.described_by)
        found.setdefault(name, CallerSketch()).merge(aggregate.callers)
    return found


def decode_apis(rows: Json) -> dict[ApiId, Aggregate]:
    """Read APIs back. Raises `SummaryUnreadable` for what `Figures.encode` does not write."""
    if not isinstance(rows, list):
        raise SummaryUnreadable("the APIs of its figures are of another form")
    return dict(map(_decode_api, rows))


def _decode_api(row: Json) -> tuple[ApiId, Aggregate]:
    match row:
        case [str(tenant_id), str(slug), aggregate]:
            return ApiId(tenant_id, slug), Aggregate.decode(aggregate)
        case _:
            raise SummaryUnreadable("an API of its figures is of another form")
