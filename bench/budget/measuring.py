"""Measures what each kind of request costs, in a dispatcher of its own.

The clock, the timers and Python's collector go by what is sent, not by the time it takes, so
the same code gives the same counts on every machine.
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

NOON_MS = 1_795_262_400_000
"""2026-11-21T12:00Z: far from the ends of a minute, an hour and a day."""

WARM_UP = 16
"""Requests before any is counted: caches are filled, and Python's bytecode has adapted itself."""

FOLLOWING = 3
"""How often a request is counted: it must do the same each time."""


class NotRepeatable(Exception):
    """The same request was counted again, and did something else."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What one kind of request costs.

    Args:
        leading: A request into an empty buffer of events, which starts a commit.
        following: A request whose event goes with that commit.
        commit: The commit itself, of five events.
    """

    leading: Counts
    following: Counts
    commit: Counts


@dataclass(slots=True)
class Bench:
    """A running dispatcher, one connection to it, and what counts in it."""

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
                found["commit"] = measured(costs.commit)
        return found

    def costs(self, kind: Kind) -> Costs:
        """Count what one kind of request costs.

        Raises:
            NotRepeatable: It does not do the same each time.
        """
        for _ in range(WARM_UP):
            send(self.connection, kind)
        self.counter.settled()
        leading = self._counted(kind)
        # A request gives back the last of what the one before it took.
        send(self.connection, kind)
        following = [self._counted(kind) for _ in range(FOLLOWING)]
        self.counter.reset()
        commit = self.counter.settled()
        for other in following:
            if changes := difference(other, following[0]):
                raise NotRepeatable(f"{kind.name}: {changes}")
        # Now and then a table of Python's own grows, in preparation for many requests.
        return Costs(leading, min(following, key=lambda one: one.allocations), commit)

    def _counted(self, kind: Kind) -> Counts:
        self.counter.reset()
        send(self.connection, kind)
        return self.counter.read()


@contextmanager
def bench() -> Iterator[Bench]:
    """Run a dispatcher to be measured for the time of a `with` block."""
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
    """Return what was counted as the budget has it."""
    crossings = {"to_javascript": counts.to_javascript, "to_python": counts.to_python}
    totals = {counter: names.total() for counter, names in crossings.items()}
    return Measured({**totals, "allocations": counts.allocations, **counts.operations}, crossings)


def difference(found: Counts, known: Counts) -> str:
    """Say which crossings and operations two counts do not share; nothing if they are the same."""
    every = [one.to_javascript + one.to_python + one.operations for one in (found, known)]
    return changes(every[0], every[1])
