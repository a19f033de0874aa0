"""What a request crossed, asked of KV and allocated: read from a Worker with that bundle."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.budget.inspector import Inspector, InspectorError

SETTLED_SECONDS = 30.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened between two moments.

    Args:
        to_javascript: Calls from Python into JavaScript, by name.
        to_python: Calls from JavaScript into Python, by name.
        operations: Operations on KV, as "BINDING.method".
        allocations: How often Python asked its allocator for a block, or for another size.
        is_waiting: Whether an operation on KV, or a timer, has not ended yet.
    """

    to_javascript: Counter[str]
    to_python: Counter[str]
    operations: Counter[str]
    allocations: int
    is_waiting: bool


class CrossingCounter:
    """Asks the counting bundle of one running Worker."""

    def __init__(self, inspector: Inspector) -> None:
        """Take an inspector that is attached to the Worker."""
        self._inspector = inspector

    def set_clock(self, start_ms: int) -> None:
        """Let the Worker's clock go on by 1 ms with every call of Python, from `start_ms` on.

        That is in milliseconds since 1970. So it does not matter when, and how fast, a request
        is counted; and as in production, time stands still while Python computes.
        """
        self._ask(f"setClock({start_ms})")

    def hold_timers(self) -> None:
        """Let timers wait from now on until `settled`, so that no commit falls into a request."""
        self._ask("watchTimers()")
        self._ask("holdTimers(true)")

    def watch_allocator(self) -> None:
        """Count allocations from now on, and have Python collect no cycles any more."""
        self._ask("watchAllocator()")

    def reset(self) -> None:
        """Begin to count at nothing."""
        self._ask("reset()")

    def read(self) -> Counts:
        """Return what was counted since `reset`, once nothing more happens.

        Raises:
            InspectorError: It goes on and on.
        """
        return self._at_rest(lambda _counts: True)

    def settled(self) -> Counts:
        """Return what was counted since `reset`, once the Worker has nothing left to do.

        Timers are let go on for that, and held again afterwards.

        Raises:
            InspectorError: It goes on and on.
        """
        self._ask("holdTimers(false)")
        counts = self._at_rest(lambda counts: not counts.is_waiting)
        self._ask("holdTimers(true)")
        return counts

    def _at_rest(self, is_over: Callable[[Counts], bool]) -> Counts:
        until = time.monotonic() + SETTLED_SECONDS
        before, counts = None, self._read()
        while counts != before or not is_over(counts):
            if time.monotonic() > until:
                raise InspectorError(f"The Worker did not come to rest: {counts}")
            time.sleep(_POLL_SECONDS)
            before, counts = counts, self._read()
        return counts

    def _read(self) -> Counts:
        found = self._ask("read()")
        return Counts(
            Counter(found["toJavaScript"]),
            Counter(found["toPython"]),
            Counter(found["operations"]),
            sum(found["allocator"].values()),
            found["isWaiting"],
        )

    def run(self, source: str) -> str:
        """Run Python in the Worker's interpreter, and return what it left in `js.clawrSaid`.

        Raises:
            InspectorError: It raised; the Worker's output has the traceback.
        """
        return str(self._ask(f"run({json.dumps(source)})"))

    def _ask(self, call: str) -> Any:  # noqa: ANN401 (JSON)
        return self._inspector.evaluate(f"globalThis.clawrCounting.{call}")
