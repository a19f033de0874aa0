"""Callers who come when they come, whoever is still waiting, and who leave when it takes too long.

A caller's time counts from when it was due, so that a slow client of this module's own would
show as slow answers rather than as less load.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.exchange import Exchange, Reply, connect

TICK_SECONDS = 0.005


@dataclass(slots=True)
class Arrived:
    """What became of all callers.

    `answers` are pairs of seconds: when a caller was due, from the first one on, and how long
    its answer took. `statuses` count them; `left` are those whose patience ended, `broken`
    those whose connection did.
    """

    offered: int = 0
    left: int = 0
    broken: int = 0
    answers: list[tuple[float, float]] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def times(self, since: float = 0.0, until: float = float("inf")) -> Sequence[float]:
        """Give the times of those who were due in a span, ordered."""
        return sorted(seconds for due, seconds in self.answers if since <= due < until)


@dataclass(slots=True)
class _Crowd:
    """All callers; connections are kept for those who come later."""

    port: int
    request: bytes
    patience_seconds: float
    found: Arrived = field(default_factory=Arrived)
    started: float = field(default_factory=time.perf_counter)
    _idle: list[Exchange] = field(default_factory=list)
    _waiting: dict[Exchange, asyncio.Future[Reply | None]] = field(default_factory=dict)

    async def call(self, due: float) -> None:
        """Be one caller."""
        self.found.offered += 1
        exchange = None
        try:
            async with asyncio.timeout(due + self.patience_seconds - time.perf_counter()):
                exchange = self._idle.pop() if self._idle else await self._connect()
                reply = await self._ask(exchange)
        except TimeoutError:
            self.found.left += 1
            if exchange is not None:
                exchange.close()
            return
        except OSError:
            reply = None
        if reply is None or exchange is None:
            self.found.broken += 1
            return
        self._idle.append(exchange)
        self.found.statuses[reply.status] += 1
        self.found.answers.append((due - self.started, reply.at - due))

    def close(self) -> None:
        """Close the connections that were kept."""
        for exchange in self._idle:
            exchange.close()

    async def _connect(self) -> Exchange:
        return await connect(self.port, self._on_reply)

    async def _ask(self, exchange: Exchange) -> Reply | None:
        future: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        self._waiting[exchange] = future
        try:
            exchange.send(self.request)
            return await future
        finally:
            del self._waiting[exchange]

    def _on_reply(self, exchange: Exchange, reply: Reply | None) -> None:
        future = self._waiting.get(exchange)
        if future is not None and not future.done():
            future.set_result(reply)


def arriving(
    port: int, request: bytes, *, per_second: float, seconds: float, patience_seconds: float
) -> Arrived:
    """Let callers come at an even pace, and see all of them answered or gone."""
    return asyncio.run(_arriving(port, request, per_second, seconds, patience_seconds))


async def _arriving(
    port: int, request: bytes, per_second: float, seconds: float, patience_seconds: float
) -> Arrived:
    crowd = _Crowd(port, request, patience_seconds)
    total, come = int(per_second * seconds), 0
    async with asyncio.TaskGroup() as callers:
        while come < total:
            due_by_now = min(total, int((time.perf_counter() - crowd.started) * per_second) + 1)
            for number in range(come, due_by_now):
                callers.create_task(crowd.call(crowd.started + number / per_second))
            come = due_by_now
            await asyncio.sleep(TICK_SECONDS)
    crowd.close()
    return crowd.found
