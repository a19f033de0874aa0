"""The newest batches are counted once each, no matter how often they are added."""

from __future__ import annotations

from metering.events import Batch
from metering.totals import Totals
from snapshots.api_state import TailTotals
from tests.support.builders import event
from tests.support.fakes import NOON_MS


def batch(first: int, end: int, dropped: int = 0) -> Batch:
    return Batch([event(NOON_MS + number) for number in range(first, end)], dropped)


def calls(totals: Totals) -> int:
    return sum(aggregate.calls for aggregate in totals.apis.values())


def test_a_batch_counts_once_even_if_it_is_added_again() -> None:
    newest, first = TailTotals(), batch(0, 3)
    assert calls(newest.add({"a": first})) == 3
    assert calls(newest.add({"a": first})) == 0
    assert calls(newest.add({"a": batch(0, 3), "b": batch(3, 5)})) == 2
    assert calls(newest.totals) == 5


def test_only_the_new_events_of_a_grown_batch_count() -> None:
    newest = TailTotals()
    newest.add({"a": batch(0, 2)})
    more = {"a": batch(0, 5, dropped=7)}
    assert newest.extends(more)
    new = newest.add(more)
    assert (calls(new), new.dropped) == (3, 7)
    assert (calls(newest.totals), newest.totals.dropped) == (5, 7)


def test_batches_that_lack_a_counted_event_do_not_extend_the_totals() -> None:
    newest = TailTotals()
    newest.add({"a": batch(0, 2), "b": batch(2, 4, dropped=1)})
    assert newest.extends({"a": batch(0, 2), "b": batch(2, 4, dropped=1), "c": batch(4, 5)})
    assert not newest.extends({"a": batch(0, 2)})
    assert not newest.extends({"a": batch(0, 1), "b": batch(2, 4, dropped=1)})
    assert not newest.extends({"a": batch(0, 2), "b": batch(2, 4)})
