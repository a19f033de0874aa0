"""The newest batches are counted once each, however often they are handed over."""

from __future__ import annotations

from metering.events import Batch
from metering.totals import Totals
from snapshots.api_state import TailTotals
from tests.support.builders import event
from tests.support.fakes import NOON_MS


def batch(first: int, end: int, dropped: int = 0) -> Batch:
    return Batch([event(NOON_MS + number) for number in range(first, end)], dropped)


def calls(figures: Totals) -> int:
    return sum(aggregate.calls for aggregate in figures.apis.values())


def test_a_batch_counts_once_however_often_it_is_read() -> None:
    newest, first = TailTotals(), batch(0, 3)
    assert calls(newest.add({"a": first})) == 3
    assert calls(newest.add({"a": first})) == 0
    assert calls(newest.add({"a": batch(0, 3), "b": batch(3, 5)})) == 2
    assert calls(newest.figures) == 5


def test_of_a_batch_that_has_grown_what_is_new_counts() -> None:
    newest = TailTotals()
    newest.add({"a": batch(0, 2)})
    more = {"a": batch(0, 5, dropped=7)}
    assert newest.goes_on(more)
    new = newest.add(more)
    assert (calls(new), new.dropped) == (3, 7)
    assert (calls(newest.figures), newest.figures.dropped) == (5, 7)


def test_it_does_not_go_on_without_a_batch_that_is_counted_or_with_less_of_it() -> None:
    newest = TailTotals()
    newest.add({"a": batch(0, 2), "b": batch(2, 4, dropped=1)})
    assert newest.goes_on({"a": batch(0, 2), "b": batch(2, 4, dropped=1), "c": batch(4, 5)})
    assert not newest.goes_on({"a": batch(0, 2)})
    assert not newest.goes_on({"a": batch(0, 1), "b": batch(2, 4, dropped=1)})
    assert not newest.goes_on({"a": batch(0, 2), "b": batch(2, 4)})
