"""Load on one port of this machine: one thread, some connections, each asking again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from bench.exchange import Exchange, Reply, connect
from dev.launch.options import HOST


@dataclass(slots=True)
class Load:
    """What came back: times in seconds from a request's first byte to its answer's last.

    `first_times` are those to the first byte of the answer's body. Both lists are in the order
    in which answers were whole.
    """

    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    first_times: list[float] = field(default_factory=list)
    refused: int = 0

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.times) / self.seconds

    def quantile_ms(self, share: float) -> float:
        """The time within which this share of the answers came, in milliseconds."""
        return _quantile_ms(self.times, share)

    def first_quantile_ms(self, share: float) -> float:
        """The time within which this share of the answers began to come, in milliseconds."""
        return _quantile_ms(self.first_times, share)


def _quantile_ms(times: Sequence[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1_000


NextRequest = Callable[[], bytes | None]
"""Gives the next request, whole; None when no more is to be sent."""


@dataclass(slots=True)
class _Caller:
    """One connection: the next request goes out as soon as the answer to the one before is whole.

    One that breaks before its answer was refused.
    """

    next_request: NextRequest
    status: int
    load: Load
    done: asyncio.Event = field(default_factory=asyncio.Event)
    started: float = 0.0

    def next(self, exchange: Exchange) -> None:
        request = self.next_request()
        if request is None:
            exchange.close()
            self.done.set()
            return
        self.started = time.perf_counter()
        exchange.send(request)

    def on_reply(self, exchange: Exchange, reply: Reply | None) -> None:
        if reply is None:
            self.load.refused += 1
            self.done.set()
            return
        self.load.times.append(reply.at - self.started)
        self.load.first_times.append(reply.began - self.started)
        self.load.refused += reply.status != self.status
        self.next(exchange)


def request_text(
    port: int,
    target: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> bytes:
    """Write one request as it goes over the wire."""
    sized = {"content-length": str(len(body))} if body else {}
    fields = {"host": f"{HOST}:{port}", "x-agent-id": "bench", **(headers or {}), **sized}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join((*lines, "", "")).encode() + body


def load(
    port: int,
    target: str,
    *,
    seconds: float,
    connections: int,
    method: str = "GET",
    body: bytes = b"",
    status: int = HTTPStatus.OK,
) -> Load:
    """Ask for `seconds`, over `connections` at once.

    Raises `RuntimeError` when anything but `status` came back, or nothing.
    """
    request = request_text(port, target, method=method, body=body)
    until = time.perf_counter() + seconds

    def next_request() -> bytes | None:
        return request if time.perf_counter() < until else None

    return _checked(asyncio.run(_load(port, next_request, connections, status)), target)


def send_each(port: int, requests: Sequence[bytes], *, connections: int) -> Load:
    """Send each request once, over `connections` at once; every answer must be 200.

    Raises `RuntimeError` when anything else came back, or nothing.
    """
    waiting = iter(requests)
    found = asyncio.run(_load(port, lambda: next(waiting, None), connections, HTTPStatus.OK))
    return _checked(found, "different requests")


def _checked(found: Load, what: str) -> Load:
    if found.refused or not found.times:
        raise RuntimeError(f"{found.refused} of {len(found.times)} answers were wrong: {what}")
    return found


async def _load(port: int, next_request: NextRequest, connections: int, status: int) -> Load:
    found, started = Load(), time.perf_counter()
    callers = [_Caller(next_request, status, found) for _ in range(connections)]
    for caller in callers:
        caller.next(await connect(port, caller.on_reply))
    for caller in callers:
        await caller.done.wait()
    found.seconds = time.perf_counter() - started
    return found
