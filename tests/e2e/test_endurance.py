"""Under load an isolate's memory does not grow, and a burst of requests loses no event.

The tests count objects and do not measure time; `make bench ONLY=soak,overload` does both.
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
BURST = 400
OBJECTS_PER_CALL = 0.5
"""Events wait as tuples, which are not counted; totals grow with APIs, callers and hours."""
OBJECTS_OTHER = 1_000
"""What totals and readers keep of a growing log."""
WASM_MB_MAX = 100
"""An isolate's 128 MB without the heap of JavaScript and of workerd."""

REFERENCES_OF_SHARD = 10
"""The shard is in the same isolate here, with timers and an alarm that come and go."""


@pytest.fixture(scope="module")
def dispatcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDispatcher]:
    """A dispatcher that has served every kind of request."""
    with running(tmp_path_factory.mktemp("dispatcher")) as dispatcher:
        each = run_closed_loop(dispatcher.port, iter([kind for _, kind in MIXTURE]), 1)
        warm = run_closed_loop(dispatcher.port, mixture(WARM_REQUESTS, seed=1), CONNECTIONS)
        counts_when_idle(dispatcher, each.calls + warm.calls)
        yield dispatcher


def counts_when_idle(dispatcher: RunningDispatcher, calls: int) -> Counts:
    """Count objects after all events are written and counted."""
    eventually(lambda: dispatcher.calls() >= calls, "all calls in the totals")
    assert dispatcher.calls() == calls
    return dispatcher.counts()


def is_at_rest(dispatcher: RunningDispatcher, before: Counts) -> bool:
    """Tell whether Python and JavaScript hold no more of each other than before."""
    counts = dispatcher.counts()
    return (
        counts.references <= before.references + REFERENCES_OF_SHARD
        and counts.lent <= before.lent + REFERENCES_OF_SHARD
    )


def test_memory_does_not_grow_with_the_number_of_requests(dispatcher: RunningDispatcher) -> None:
    eventually(
        lambda: dispatcher.counts().lent <= REFERENCES_OF_SHARD, "the end of running requests"
    )
    calls = dispatcher.calls()
    before = counts_when_idle(dispatcher, calls)
    found = run_closed_loop(dispatcher.port, mixture(REQUESTS, seed=2), CONNECTIONS)
    counts_when_idle(dispatcher, calls + found.calls)
    assert not found.surprises
    assert len(found.times) == REQUESTS
    eventually(lambda: is_at_rest(dispatcher, before), "the end of all requests")
    after = dispatcher.counts()
    assert after.wasm_mb == before.wasm_mb <= WASM_MB_MAX
    assert after.objects - before.objects <= OBJECTS_PER_CALL * found.calls + OBJECTS_OTHER


def test_a_burst_of_requests_is_answered_and_counted_completely(
    dispatcher: RunningDispatcher,
) -> None:
    calls = dispatcher.calls()
    before = counts_when_idle(dispatcher, calls)
    burst = run_open_loop(
        dispatcher.port, ECHO.request, per_second=100 * BURST, seconds=0.01, patience_seconds=120
    )
    assert burst.statuses == {HTTPStatus.OK: BURST}
    counts_when_idle(dispatcher, calls + BURST)
    eventually(lambda: is_at_rest(dispatcher, before), "the end of the burst")
