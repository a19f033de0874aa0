"""Reads crossings, KV operations and allocations from a Worker with the counting bundle."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.budget.inspector import Inspector, InspectorError

SETTLED_SECONDS = 30.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Trip:
    """A call of a binding, as "BINDING.method", or of another server, as "fetch PATH".

    `began` and `ended` number the order of all beginnings, ends and responses; `ended` is None
    while it is pending. The rows are those of a database, as it bills them.
    """

    name: str
    began: int
    ended: int | None
    rows_read: int
    rows_written: int


@dataclass(frozen=True, slots=True)
class Trips:
    """The calls since `reset`, in the order of their beginning, and when the response was made."""

    calls: Sequence[Trip]
    responded: int


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts between two points in time.

    Args:
        to_javascript: Calls from Python into JavaScript, by name.
        to_python: Calls from JavaScript into Python, by name.
        operations: KV operations, as "BINDING.method".
        allocations: Allocations and reallocations of Python.
        is_waiting: Whether a KV operation or a timer is pending.
    """

    to_javascript: Counter[str]
    to_python: Counter[str]
    operations: Counter[str]
    allocations: int
    is_waiting: bool


class CrossingCounter:
    """Controls the counting bundle of one running Worker."""

    def __init__(self, inspector: Inspector) -> None:
        """Keep an inspector that is attached to the Worker."""
        self._inspector = inspector

    def set_clock(self, start_ms: int) -> None:
        """Let the Worker's clock start at `start_ms` and advance by 1 ms with every call of Python.

        `start_ms` is in milliseconds since 1970. The counts then do not depend on the time and
        speed of a request; as in production, time stops while Python computes.
        """
        self._call(f"setClock({start_ms})")

    def hold_timers(self) -> None:
        """Delay timers until `settled`, so that no batch is sent during a request."""
        self._call("watchTimers()")
        self._call("holdTimers(true)")

    def watch_allocator(self) -> None:
        """Start to count allocations, and disable Python's garbage collector."""
        self._call("watchAllocator()")

    def watch_trips(self) -> None:
        """Start to trace calls of bindings and of other servers."""
        self._call("watchTrips()")

    def trips(self) -> Trips:
        """Return the calls since `reset`, once they have all ended.

        Raises:
            InspectorError: One does not end.
        """
        until = time.monotonic() + SETTLED_SECONDS
        while True:
            found = self._call("read()")
            calls = [Trip(*one.values()) for one in found["trips"]]
            if all(call.ended for call in calls):
                return Trips(calls, found["responded"])
            if time.monotonic() > until:
                raise InspectorError(f"A call does not end: {calls}")
            time.sleep(_POLL_SECONDS)

    def reset(self) -> None:
        """Reset all counts to 0."""
        self._call("reset()")

    def read(self) -> Counts:
        """Return the counts since `reset`, once they no longer change.

        Raises:
            InspectorError: They keep changing.
        """
        return self._when_stable(lambda _counts: True)

    def settled(self) -> Counts:
        """Return the counts since `reset`, once the Worker has no pending work.

        Delayed timers run meanwhile.

        Raises:
            InspectorError: The Worker keeps working.
        """
        self._call("holdTimers(false)")
        counts = self._when_stable(lambda counts: not counts.is_waiting)
        self._call("holdTimers(true)")
        return counts

    def _when_stable(self, is_done: Callable[[Counts], bool]) -> Counts:
        until = time.monotonic() + SETTLED_SECONDS
        before, counts = None, self._read()
        while counts != before or not is_done(counts):
            if time.monotonic() > until:
                raise InspectorError(f"The Worker keeps working: {counts}")
            time.sleep(_POLL_SECONDS)
            before, counts = counts, self._read()
        return counts

    def _read(self) -> Counts:
        found = self._call("read()")
        return Counts(
            Counter(found["toJavaScript"]),
            Counter(found["toPython"]),
            Counter(found["operations"]),
            sum(found["allocator"].values()),
            found["isWaiting"],
        )

    def run(self, source: str) -> str:
        """Run Python in the Worker's interpreter, and return the value of `js.clawrOutput`.

        Raises:
            InspectorError: It raised; the traceback is in the Worker's output.
        """
        return str(self._call(f"run({json.dumps(source)})"))

    def _call(self, call: str) -> Any:  # noqa: ANN401 (JSON)
        return self._inspector.evaluate(f"globalThis.clawrCounting.{call}")
