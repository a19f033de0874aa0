"""Counts the calls of one payment, and what they cost.

The dispatcher runs with the counting bundle of the budget. The calls of the middleware are those
that the facilitator has logged, as it calls nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.budget.counter import CrossingCounter, Trip, Trips
from bench.budget.server import running_counted
from bench.load import send_each
from bench.paid.contenders import MIDDLEWARE, PAID, SOLD, signed
from bench.paid.figures import RoundTripFigures
from bench.requests.contender import ECHO
from cli.costs.prices import D1_ROWS_READ, D1_ROWS_WRITTEN, KV_READS, KV_WRITES, OBJECT_REQUESTS
from dev.economy import Economy
from dev.launch.options import LaunchOptions
from dev.layout import HERE

WARM_UP = 10
FACILITATOR = "fetch /"
"""The beginning of the names of calls of the facilitator."""

_STORE_WRITES = (".put", ".list", ".delete")


def measure(
    economy: Economy, middleware_calls: Sequence[str], say: Callable[[str], None]
) -> list[RoundTripFigures]:
    """Count the calls of one payment of each contender.

    Args:
        economy: The local economy.
        middleware_calls: The calls of one payment of the middleware.
        say: Called with each step.
    """
    say("counting the calls of a payment")
    calls = [Trip(name, 2 * at, 2 * at + 1, 0, 0) for at, name in enumerate(middleware_calls)]
    return [figures("m", MIDDLEWARE, Trips(calls, 2 * len(calls))), count(economy)]


def count(economy: Economy) -> RoundTripFigures:
    """Count the calls of one payment of this dispatcher."""
    with TemporaryDirectory() as state:
        options = LaunchOptions(
            port=0,
            state=Path(state),
            namespace=ECHO,
            tenant_directory=json.dumps({"tenants": [SOLD]}),
            variables=economy.settings(),
        )
        with running_counted(HERE, options) as (server, counter):
            return figures("g", PAID, _paid(counter, server.port, economy))


def _paid(counter: CrossingCounter, port: int, economy: Economy) -> Trips:
    counter.watch_trips()
    payments = signed(port, economy.buyer, WARM_UP + 1)
    send_each(port, payments[:-1], connections=1)
    counter.trips()
    counter.reset()
    send_each(port, payments[-1:], connections=1)
    return counter.trips()


def figures(letter: str, what: str, trips: Trips) -> RoundTripFigures:
    """Divide the calls of one request into those before and after its response."""
    before = [call for call in trips.calls if (call.ended or 0) < trips.responded]
    after = [call for call in trips.calls if call not in before]
    return RoundTripFigures(
        letter,
        what,
        [call.name for call in before],
        [call.name for call in after],
        sequential(before),
        sum(call.rows_read for call in trips.calls),
        sum(call.rows_written for call in trips.calls),
        1_000_000 * sum(map(_dollars, trips.calls)),
    )


def sequential(calls: Iterable[Trip]) -> int:
    """Count the longest chain of calls of which each began after the previous one had ended."""
    count, at = 0, -1
    for call in sorted(calls, key=lambda one: one.ended or 0):
        if call.began > at:
            count, at = count + 1, call.ended or 0
    return count


def _dollars(call: Trip) -> float:
    """Return what one call costs."""
    rows = call.rows_written * D1_ROWS_WRITTEN.each + call.rows_read * D1_ROWS_READ.each
    binding, _, method = call.name.partition(".")
    if call.name.startswith(FACILITATOR) or binding == "CONTROL_DB":
        return rows
    if binding.endswith("_KV"):
        return (KV_WRITES if f".{method}" in _STORE_WRITES else KV_READS).each
    return OBJECT_REQUESTS.each
