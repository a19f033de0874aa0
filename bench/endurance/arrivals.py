"""Open-loop load: requests at a fixed rate, independent of earlier responses, with a timeout.

Latency is measured from the scheduled time of a request, so that a slow load generator shows as
latency and not as less load.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.exchange import Exchange, Response, connect

TICK_SECONDS = 0.005


@dataclass(slots=True)
class OpenLoopResult:
    """The results of all requests.

    `responses` are pairs of seconds: the scheduled time since the start, and the latency of the
    response. `statuses` counts them; `left` is the number of timeouts, `broken` of connection
    errors.
    """

    offered: int = 0
    left: int = 0
    broken: int = 0
    responses: list[tuple[float, float]] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def times(self, since: float = 0.0, until: float = float("inf")) -> Sequence[float]:
        """Return the sorted latencies of requests scheduled in [since, until)."""
        return sorted(seconds for due, seconds in self.responses if since <= due < until)


@dataclass(slots=True)
class _Callers:
    """All callers; they reuse idle connections."""

    port: int
    request: bytes
    patience_seconds: float
    found: OpenLoopResult = field(default_factory=OpenLoopResult)
    started: float = field(default_factory=time.perf_counter)
    _idle: list[Exchange] = field(default_factory=list)
    _waiting: dict[Exchange, asyncio.Future[Response | None]] = field(default_factory=dict)

    async def call(self, due: float) -> None:
        """Send one request at its scheduled time."""
        self.found.offered += 1
        exchange = None
        try:
            async with asyncio.timeout(due + self.patience_seconds - time.perf_counter()):
                exchange = self._idle.pop() if self._idle else await self._connect()
                response = await self._request(exchange)
        except TimeoutError:
            self.found.left += 1
            if exchange is not None:
                exchange.close()
            return
        except OSError:
            response = None
        if response is None or exchange is None:
            self.found.broken += 1
            return
        self._idle.append(exchange)
        self.found.statuses[response.status] += 1
        self.found.responses.append((due - self.started, response.at - due))

    def close(self) -> None:
        """Close the idle connections."""
        for exchange in self._idle:
            exchange.close()

    async def _connect(self) -> Exchange:
        return await connect(self.port, self._on_reply)

    async def _request(self, exchange: Exchange) -> Response | None:
        future: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()
        self._waiting[exchange] = future
        try:
            exchange.send(self.request)
            return await future
        finally:
            del self._waiting[exchange]

    def _on_reply(self, exchange: Exchange, response: Response | None) -> None:
        future = self._waiting.get(exchange)
        if future is not None and not future.done():
            future.set_result(response)


def run_open_loop(
    port: int, request: bytes, *, per_second: float, seconds: float, patience_seconds: float
) -> OpenLoopResult:
    """Send requests at a fixed rate, and wait until all have completed or timed out."""
    return asyncio.run(_run_open_loop(port, request, per_second, seconds, patience_seconds))


async def _run_open_loop(
    port: int, request: bytes, per_second: float, seconds: float, patience_seconds: float
) -> OpenLoopResult:
    callers = _Callers(port, request, patience_seconds)
    total, sent = int(per_second * seconds), 0
    async with asyncio.TaskGroup() as tasks:
        while sent < total:
            due_by_now = min(total, int((time.perf_counter() - callers.started) * per_second) + 1)
            for number in range(sent, due_by_now):
                tasks.create_task(callers.call(callers.started + number / per_second))
            sent = due_by_now
            await asyncio.sleep(TICK_SECONDS)
    callers.close()
    return callers.found
