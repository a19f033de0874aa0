"""Steady load: some connections, each asking for the next thing as soon as it was answered."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.exchange import Exchange, Reply, connect


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request: its text, the status it is to be answered with, whether it counts."""

    name: str
    request: bytes
    status: int
    is_call: bool = True


@dataclass(slots=True)
class Steady:
    """What came back: times in seconds in the order of the answers, and what was not expected."""

    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    calls: int = 0
    surprises: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Caller:
    """One connection's course."""

    kinds: Iterator[Kind]
    found: Steady
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

    def on_reply(self, exchange: Exchange, reply: Reply | None) -> None:
        assert self.kind is not None
        status = None if reply is None else reply.status
        if status != self.kind.status:
            self.found.surprises[f"{self.kind.name}: {status}"] += 1
        if reply is None:
            self.done.set()
            return
        self.found.times.append(reply.at - self.started)
        self.found.calls += self.kind.is_call
        self.next(exchange)


def ask(port: int, kinds: Iterator[Kind], connections: int) -> Steady:
    """Ask for all of `kinds`, over `connections` at once."""
    return asyncio.run(_ask(port, kinds, connections))


async def _ask(port: int, kinds: Iterator[Kind], connections: int) -> Steady:
    found, started = Steady(), time.perf_counter()
    callers = [_Caller(kinds, found) for _ in range(connections)]
    for caller in callers:
        caller.next(await connect(port, caller.on_reply))
    for caller in callers:
        await caller.done.wait()
    found.seconds = time.perf_counter() - started
    return found
