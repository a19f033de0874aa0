"""The real Worker with a clock that each request sets: nothing else is replaced.

A request says in headers when it arrives and how long its answer takes; cron
when it fires, by its own scheduled time. Without them it is now.
"""

from contextvars import ContextVar
from typing import Any

import entry
from runtime.environment import RuntimeClock

ARRIVES = "x-replay-arrives-ms"
TAKES = "x-replay-takes-ms"


class _Hands:
    """Where a clock stands for one request: at its arrival when first looked at, then after it."""

    def __init__(self, arrives_ms: int, takes_ms: int) -> None:
        self.next_ms = arrives_ms
        self.takes_ms = takes_ms

    def look(self) -> int:
        now_ms = self.next_ms
        self.next_ms += self.takes_ms
        self.takes_ms = 0
        return now_ms


_hands: ContextVar[_Hands] = ContextVar("_hands")


class ReplayClock(RuntimeClock):
    """Says what the request at hand was told to say."""

    def now_ms(self) -> int:
        hands = _hands.get(None)
        return super().now_ms() if hands is None else hands.look()


entry.RuntimeClock = ReplayClock  # type: ignore[attr-defined]


async def on_fetch(request: Any, environment: Any, context: Any) -> Any:
    """Answer a request at the time that it names."""
    arrives_ms = request.headers.get(ARRIVES)
    if arrives_ms:
        _hands.set(_Hands(int(arrives_ms), int(request.headers.get(TAKES) or 0)))
    return await entry.on_fetch(request, environment, context)


async def on_scheduled(controller: Any, environment: Any, context: Any) -> None:
    """Do what cron does, at the time that it is told."""
    _hands.set(_Hands(int(controller.scheduledTime), 0))
    await entry.on_scheduled(controller, environment, context)
