"""Under long load nothing in an isolate grows, and a rush of callers costs nobody an event.

What is alive is counted, not timed: `make bench ONLY=soak,overload` does both in full.
"""

from collections.abc import Iterator
from http import HTTPStatus

import pytest

from bench.endurance.arrivals import run_open_loop
from bench.endurance.overload import ECHO
from bench.endurance.soak import CONNECTIONS, MIXTURE, mixture
from bench.endurance.steady import run_closed_loop
from bench.endurance.worker import Counts, RunningDispatcher, running

from .caller import eventually

WARM_REQUESTS = 500
REQUESTS = 2_000
RUSH = 400
OBJECTS_PER_CALL = 2
"""An event and its place, kept for readers of the same isolate (`limits.RECENT_EVENTS_MAX`)."""
OBJECTS_BESIDE = 500
"""Views and batches that the figures of a growing log keep."""


@pytest.fixture(scope="module")
def dispatcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDispatcher]:
    """A dispatcher that has done everything at least once."""
    with running(tmp_path_factory.mktemp("dispatcher")) as dispatcher:
        run_closed_loop(dispatcher.port, iter([kind for _, kind in MIXTURE]), 1)
        run_closed_loop(dispatcher.port, mixture(WARM_REQUESTS, seed=1), CONNECTIONS)
        yield dispatcher


def quiet(dispatcher: RunningDispatcher, calls: int) -> Counts:
    """Count what is alive once everything that was answered is written."""
    eventually(lambda: dispatcher.calls() >= calls, "all calls in the figures")
    assert dispatcher.calls() == calls
    return dispatcher.counts()


def alive(dispatcher: RunningDispatcher) -> tuple[int, int]:
    """Count what each side holds of the other."""
    counts = dispatcher.counts()
    return counts.references, counts.lent


def test_nothing_alive_grows_with_the_number_of_requests(dispatcher: RunningDispatcher) -> None:
    eventually(lambda: dispatcher.counts().lent == 0, "the end of what was still running")
    calls = dispatcher.calls()
    before = quiet(dispatcher, calls)
    found = run_closed_loop(dispatcher.port, mixture(REQUESTS, seed=2), CONNECTIONS)
    quiet(dispatcher, calls + found.calls)
    assert not found.surprises
    assert len(found.times) == REQUESTS
    eventually(lambda: alive(dispatcher) == (before.references, before.lent), "the end of them all")
    after = dispatcher.counts()
    assert after.wasm_mb == before.wasm_mb
    assert after.objects - before.objects <= OBJECTS_PER_CALL * found.calls + OBJECTS_BESIDE


def test_a_rush_of_callers_is_answered_and_counted_to_the_last(
    dispatcher: RunningDispatcher,
) -> None:
    calls = dispatcher.calls()
    before = quiet(dispatcher, calls)
    rush = run_open_loop(
        dispatcher.port, ECHO.request, per_second=100 * RUSH, seconds=0.01, patience_seconds=120
    )
    assert rush.statuses == {HTTPStatus.OK: RUSH}
    quiet(dispatcher, calls + RUSH)
    eventually(lambda: alive(dispatcher) == (before.references, before.lent), "the end of the rush")
