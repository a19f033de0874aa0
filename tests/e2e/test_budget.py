"""Each kind of request costs exactly its budget in the real Worker."""

from collections.abc import Iterator

import pytest

from bench.budget.budget import differences, read, read_crossings
from bench.budget.kinds import FREE
from bench.budget.measuring import Bench, bench, measured

ADDED_CROSSING = """
import js
from gateway import dispatcher
original = dispatcher.Dispatcher.handle
async def handle(self, *arguments):
    js.Date.now()
    return await original(self, *arguments)
dispatcher.Dispatcher.handle = handle
"""
"""Adds one reading of the clock to every request."""

pytestmark = pytest.mark.xdist_group("budget")


@pytest.fixture(scope="module")
def running() -> Iterator[Bench]:
    with bench() as running:
        yield running


def test_every_kind_of_request_costs_exactly_its_budget(running: Bench) -> None:
    found = differences(running.measure(), read(), read_crossings())
    assert not found, "\n".join(["docs/budget.md says what to do.", *found])


def test_an_added_crossing_is_found_and_named(running: Bench) -> None:
    running.counter.run(ADDED_CROSSING)
    found = {FREE.name: measured(running.costs(FREE).following)}
    budget = {FREE.name: read()[FREE.name]}
    lines = differences(found, budget, read_crossings())
    javascript = next(line for line in lines if "to_javascript" in line)
    assert "too many" in javascript
    assert "+1 JsProxy_GetAttr_js Function Date.now" in javascript
