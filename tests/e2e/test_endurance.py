"""Under long load nothing in an isolate grows, and a rush of callers costs nobody an event.

What is alive is counted, not timed: `make bench ONLY=soak,overload` does both in full.
"""

from collections.abc import Iterator
from http import HTTPStatus

import pytest

from bench.endurance.arrivals import arriving
from bench.endurance.overload import ECHO
from bench.endurance.soak import CONNECTIONS, MIXTURE, mixture
from bench.endurance.steady import ask
from bench.endurance.worker import Counts, Endured, running

from .caller import eventually

WARM_REQUESTS = 500
REQUESTS = 2_000
RUSH = 400
OBJECTS_PER_CALL = 2
"""An event and its place, kept for readers of the same isolate (`limits.RECENT_EVENTS_MAX`)."""
OBJECTS_BESIDE = 500
"""Views and batches that the figures of a growing log keep."""


@pytest.fixture(scope="module")
def endured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endured]:
    """A dispatcher that has done everything at least once."""
    with running(tmp_path_factory.mktemp("endured")) as endured:
        ask(endured.port, iter([kind for _, kind in MIXTURE]), 1)
        ask(endured.port, mixture(WARM_REQUESTS, seed=1), CONNECTIONS)
        yield endured


def quiet(endured: Endured, calls: int) -> Counts:
    """Count what is alive once everything that was answered is written."""
    eventually(lambda: endured.calls() >= calls, "all calls in the figures")
    assert endured.calls() == calls
    return endured.counts()


def alive(endured: Endured) -> tuple[int, int]:
    """Count what each side holds of the other."""
    counts = endured.counts()
    return counts.references, counts.lent


def test_nothing_alive_grows_with_the_number_of_requests(endured: Endured) -> None:
    eventually(lambda: endured.counts().lent == 0, "the end of what was still running")
    calls = endured.calls()
    before = quiet(endured, calls)
    found = ask(endured.port, mixture(REQUESTS, seed=2), CONNECTIONS)
    quiet(endured, calls + found.calls)
    assert not found.surprises
    assert len(found.times) == REQUESTS
    eventually(lambda: alive(endured) == (before.references, before.lent), "the end of them all")
    after = endured.counts()
    assert after.wasm_mb == before.wasm_mb
    assert after.objects - before.objects <= OBJECTS_PER_CALL * found.calls + OBJECTS_BESIDE


def test_a_rush_of_callers_is_answered_and_counted_to_the_last(endured: Endured) -> None:
    calls = endured.calls()
    before = quiet(endured, calls)
    rush = arriving(
        endured.port, ECHO.request, per_second=100 * RUSH, seconds=0.01, patience_seconds=120
    )
    assert rush.statuses == {HTTPStatus.OK: RUSH}
    quiet(endured, calls + RUSH)
    eventually(lambda: alive(endured) == (before.references, before.lent), "the end of the rush")
