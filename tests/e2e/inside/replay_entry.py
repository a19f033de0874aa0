"""The real Worker with a clock that each request sets; nothing else is replaced.

Headers of a request say when it arrives and how long it takes; cron uses its
scheduled time. Without them the clock shows the current time.
"""

from contextvars import ContextVar
from typing import Any

import entry
from runtime.environment import RuntimeClock

ARRIVES = "x-replay-arrives-ms"
TAKES = "x-replay-takes-ms"


class _Times:
    """The times of one request: the first reading is its arrival, later ones its end."""

    def __init__(self, arrives_ms: int, takes_ms: int) -> None:
        self.next_ms = arrives_ms
        self.takes_ms = takes_ms

    def read(self) -> int:
        now_ms = self.next_ms
        self.next_ms += self.takes_ms
        self.takes_ms = 0
        return now_ms


_times: ContextVar[_Times] = ContextVar("_times")


class ReplayClock(RuntimeClock):
    """Shows the time that the current request has set."""

    def now_ms(self) -> int:
        times = _times.get(None)
        return super().now_ms() if times is None else times.read()


entry.RuntimeClock = ReplayClock  # type: ignore[attr-defined]


async def on_fetch(request: Any, environment: Any, context: Any) -> Any:
    """Handle a request at the time in its headers."""
    arrives_ms = request.headers.get(ARRIVES)
    if arrives_ms:
        _times.set(_Times(int(arrives_ms), int(request.headers.get(TAKES) or 0)))
    return await entry.on_fetch(request, environment, context)


async def on_scheduled(controller: Any, environment: Any, context: Any) -> None:
    """Run cron at its scheduled time."""
    _times.set(_Times(int(controller.scheduledTime), 0))
    await entry.on_scheduled(controller, environment, context)
