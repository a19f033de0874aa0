"""What requests cost in the real Worker: exactly what their budget says."""

from collections.abc import Iterator

import pytest

from bench.budget.budget import differences, read, read_crossings
from bench.budget.kinds import FREE
from bench.budget.measuring import Bench, bench, measured

PLANTED = """
import js
from gateway import dispatcher
original = dispatcher.Dispatcher.handle
async def handle(self, *arguments):
    js.Date.now()
    return await original(self, *arguments)
dispatcher.Dispatcher.handle = handle
"""
"""One look at the clock more on the way of every request."""

pytestmark = pytest.mark.xdist_group("budget")


@pytest.fixture(scope="module")
def running() -> Iterator[Bench]:
    with bench() as running:
        yield running


def test_every_kind_of_request_costs_what_its_budget_says(running: Bench) -> None:
    found = differences(running.measure(), read(), read_crossings())
    assert not found, "\n".join(["docs/budget.md says what to do.", *found])


def test_a_planted_crossing_is_found_and_named(running: Bench) -> None:
    running.counter.run(PLANTED)
    found = {FREE.name: measured(running.costs(FREE).following)}
    budget = {FREE.name: read()[FREE.name]}
    told = differences(found, budget, read_crossings())
    javascript = next(line for line in told if "to_javascript" in line)
    assert "too many" in javascript
    assert "+1 JsProxy_GetAttr_js Function Date.now" in javascript
