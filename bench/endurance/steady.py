"""Closed-loop load: each connection sends its next request when it has the response."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.exchange import Exchange, Response, run_callers


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request: its text, its expected status, and whether it is counted as a call."""

    name: str
    request: bytes
    status: int
    is_call: bool = True


@dataclass(slots=True)
class ClosedLoopResult:
    """Latencies in seconds in order of completion, and unexpected responses."""

    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    calls: int = 0
    surprises: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Caller:
    """The state of one connection."""

    kinds: Iterator[Kind]
    found: ClosedLoopResult
    done: asyncio.Event = field(default_factory=asyncio.Event)
    kind: Kind | None = None
    started: float = 0.0

    def next(self, exchange: Exchange) -> None:
        self.kind = next(self.kinds, None)
        if self.kind is None:
            exchange.close()
            self.done.set()
        else:
            self.started = time.perf_counter()
            exchange.send(self.kind.request)

    def on_response(self, exchange: Exchange, response: Response | None) -> None:
        assert self.kind is not None
        status = None if response is None else response.status
        if status != self.kind.status:
            self.found.surprises[f"{self.kind.name}: {status}"] += 1
        if response is None:
            self.done.set()
            return
        self.found.times.append(response.at - self.started)
        self.found.calls += self.kind.is_call
        self.next(exchange)


def run_closed_loop(port: int, kinds: Iterator[Kind], connections: int) -> ClosedLoopResult:
    """Send all requests over the given number of connections."""
    return asyncio.run(_run(port, kinds, connections))


async def _run(port: int, kinds: Iterator[Kind], connections: int) -> ClosedLoopResult:
    found, started = ClosedLoopResult(), time.perf_counter()
    callers = [_Caller(kinds, found) for _ in range(connections)]
    await run_callers(port, callers)
    found.seconds = time.perf_counter() - started
    return found
