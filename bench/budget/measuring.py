"""Counts each kind of request in a running dispatcher.

The clock, the timers and Python's garbage collector depend on the requests and not on real time,
so the same code gives the same counts on every machine.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.budget.budget import Measured, changes
from bench.budget.counter import Counts, CrossingCounter
from bench.budget.kinds import DIRECTORY, FREE, KINDS, NAMESPACE, SETTINGS, Kind, send
from bench.budget.server import running_counted
from dev.launch.options import HOST, LaunchOptions
from dev.layout import HERE

NOON_MS = 4_098_945_600_000
"""2099-11-21T12:00Z: no minute, hour or day ends during a measurement. It is in the future, because
alarms follow the real time: the shard's alarm, 10 s after an append, does not run meanwhile."""

WARM_UP = 16
"""Uncounted requests that fill caches and let Python's bytecode specialize."""

FOLLOWING = 3
"""How often a request is counted; the counts must be equal."""


class NotRepeatable(Exception):
    """Repeated requests have different counts."""


@dataclass(frozen=True, slots=True)
class Costs:
    """The counts of one kind of request.

    Args:
        leading: A request with an empty event buffer, which starts to send a batch.
        following: A request whose event joins that batch.
        append: Sending a batch of five events, and the shard's commit of it.
    """

    leading: Counts
    following: Counts
    append: Counts


@dataclass(slots=True)
class Bench:
    """A running dispatcher with one connection and its counter."""

    connection: http.client.HTTPConnection
    counter: CrossingCounter

    def measure(self) -> dict[str, Measured]:
        """Measure every kind."""
        found = {}
        for kind in KINDS:
            costs = self.costs(kind)
            found[kind.name] = measured(costs.following)
            if kind is FREE:
                found[f"{kind.name}_leading"] = measured(costs.leading)
                found["append"] = measured(costs.append)
        return found

    def costs(self, kind: Kind) -> Costs:
        """Count one kind of request.

        Raises:
            NotRepeatable: Repeated requests have different counts.
        """
        for _ in range(WARM_UP):
            send(self.connection, kind)
        self.counter.settled()
        leading = self._counted(kind)
        # Not counted: a request also frees objects of the previous one.
        send(self.connection, kind)
        following = [self._counted(kind) for _ in range(FOLLOWING)]
        self.counter.reset()
        append = self.counter.settled()
        for other in following:
            if changes := difference(other, following[0]):
                raise NotRepeatable(f"{kind.name}: {changes}")
        # The minimum, because a table of Python sometimes grows.
        return Costs(leading, min(following, key=lambda one: one.allocations), append)

    def _counted(self, kind: Kind) -> Counts:
        self.counter.reset()
        send(self.connection, kind)
        return self.counter.read()


@contextmanager
def bench() -> Iterator[Bench]:
    """Run a dispatcher for measurements during a `with` block."""
    with TemporaryDirectory() as state:
        options = LaunchOptions(
            port=0,
            state=Path(state),
            namespace=NAMESPACE,
            tenant_directory=json.dumps(DIRECTORY),
            variables=SETTINGS,
        )
        with running_counted(HERE, options) as (server, counter):
            counter.set_clock(NOON_MS)
            counter.hold_timers()
            counter.watch_allocator()
            connection = http.client.HTTPConnection(HOST, server.port)
            try:
                yield Bench(connection, counter)
            finally:
                connection.close()


def measured(counts: Counts) -> Measured:
    """Convert counts to the form of the budget."""
    crossings = {"to_javascript": counts.to_javascript, "to_python": counts.to_python}
    totals = {counter: names.total() for counter, names in crossings.items()}
    return Measured({**totals, "allocations": counts.allocations, **counts.operations}, crossings)


def difference(found: Counts, known: Counts) -> str:
    """Describe how crossings and operations differ; empty if they are equal."""
    every = [one.to_javascript + one.to_python + one.operations for one in (found, known)]
    return changes(every[0], every[1])
