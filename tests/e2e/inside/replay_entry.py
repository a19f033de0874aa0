"""The real Worker with a clock that each request sets; nothing else is replaced.

Headers of a request say when it arrives and how long it takes. Without them the clock shows the
current time. The clock of the shards shows the latest time of all requests, and their alarms
go off with the first call that finds them due.
"""

from contextvars import ContextVar
from typing import Any

import entry
from runtime import usage_shard
from runtime.environment import RuntimeClock

__all__ = ["QuotaCounter", "UsageShard", "on_fetch"]

QuotaCounter = entry.QuotaCounter

ARRIVES = "x-replay-arrives-ms"
TAKES = "x-replay-takes-ms"


class _Times:
    """The times of one request: the first reading is its arrival, later ones its end."""

    latest_ms = 0
    """The end of the latest request in this isolate, which also runs the shards."""

    def __init__(self, arrives_ms: int, takes_ms: int) -> None:
        _Times.latest_ms = max(_Times.latest_ms, arrives_ms + takes_ms)
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


class ShardClock(RuntimeClock):
    """Shows the latest time that a request has set."""

    def now_ms(self) -> int:
        return _Times.latest_ms or super().now_ms()


entry.RuntimeClock = ReplayClock  # type: ignore[attr-defined]
usage_shard.RuntimeClock = ShardClock  # type: ignore[attr-defined]


class UsageShard(entry.UsageShard):
    """A shard whose alarms follow the replayed time."""

    async def append(self, text: str) -> str:
        await self._run_if_due()
        return await super().append(text)

    async def snapshots(self, text: str) -> str:
        await self._run_if_due()
        return await super().snapshots(text)

    async def health(self, text: str) -> str:
        await self._run_if_due()
        return await super().health(text)

    async def _run_if_due(self) -> None:
        due_ms = self._started().due_ms()
        if due_ms is not None and due_ms <= ShardClock().now_ms():
            await self.on_alarm()

    async def _set_alarm(self) -> None:
        pass


async def on_fetch(request: Any, environment: Any, context: Any) -> Any:
    """Handle a request at the time in its headers."""
    arrives_ms = request.headers.get(ARRIVES)
    if arrives_ms:
        _times.set(_Times(int(arrives_ms), int(request.headers.get(TAKES) or 0)))
    return await entry.on_fetch(request, environment, context)
