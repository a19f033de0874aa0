"""Closed-loop load on a local port, with response times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from bench.exchange import Exchange, Response, run_callers
from dev.launch.options import HOST


@dataclass(slots=True)
class Load:
    """Response times in seconds, from sending the request to the last byte of the response.

    `first_times` are those to the first byte of the body. Both are in order of completion.
    """

    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    first_times: list[float] = field(default_factory=list)
    unexpected: int = 0

    @property
    def per_second(self) -> float:
        """Responses per second."""
        return len(self.times) / self.seconds

    def quantile_ms(self, share: float) -> float:
        """Return a quantile of the response times, in milliseconds."""
        return _quantile_ms(self.times, share)

    def first_quantile_ms(self, share: float) -> float:
        """Return a quantile of the times to the first byte, in milliseconds."""
        return _quantile_ms(self.first_times, share)


def _quantile_ms(times: Sequence[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1_000


NextRequest = Callable[[], bytes | None]
"""Returns the next request as bytes; `None` at the end."""


@dataclass(slots=True)
class _Caller:
    """One connection; it sends the next request after the previous response.

    A connection that breaks counts as an unexpected response.
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

    def on_response(self, exchange: Exchange, response: Response | None) -> None:
        if response is None:
            self.load.unexpected += 1
            self.done.set()
            return
        self.load.times.append(response.at - self.started)
        self.load.first_times.append(response.began - self.started)
        self.load.unexpected += response.status != self.status
        self.next(exchange)


def request_text(
    port: int,
    target: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> bytes:
    """Return a request as bytes."""
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
    """Send the same request for `seconds` over several connections.

    Raises `RuntimeError` if a response does not have `status`, or there is none.
    """
    request = request_text(port, target, method=method, body=body)
    until = time.perf_counter() + seconds

    def next_request() -> bytes | None:
        return request if time.perf_counter() < until else None

    return _checked(asyncio.run(_load(port, next_request, connections, status)), target)


def send_each(port: int, requests: Sequence[bytes], *, connections: int) -> Load:
    """Send each request once over several connections.

    Raises `RuntimeError` if a response is not 200, or there is none.
    """
    waiting = iter(requests)
    found = asyncio.run(_load(port, lambda: next(waiting, None), connections, HTTPStatus.OK))
    return _checked(found, "different requests")


def _checked(found: Load, what: str) -> Load:
    if found.unexpected or not found.times:
        raise RuntimeError(
            f"{found.unexpected} of {len(found.times)} responses were unexpected: {what}"
        )
    return found


async def _load(port: int, next_request: NextRequest, connections: int, status: int) -> Load:
    found, started = Load(), time.perf_counter()
    callers = [_Caller(next_request, status, found) for _ in range(connections)]
    await run_callers(port, callers)
    found.seconds = time.perf_counter() - started
    return found
