"""Load on one port of this machine: one thread, some connections, each asking again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus

from dev.launch.options import HOST

_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


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


class _Connection(asyncio.Protocol):
    """Sends a request as soon as the answer to the one before is whole."""

    def __init__(
        self, next_request: NextRequest, status: int, load: Load, done: asyncio.Event
    ) -> None:
        self._next_request, self._load, self._done = next_request, load, done
        self._status = b" %d " % status
        self._started = self._first = 0.0
        self._head = b""
        self._left: int | None = None
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        request = self._next_request()
        if request is None:
            self._transport.close()
            self._done.set()
            return
        self._head, self._left, self._tail, self._first = b"", None, b"", 0.0
        self._started = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if not self._head:
            self._tail += data
            head, found, rest = self._tail.partition(_HEAD_END)
            if not found:
                return
            self._head, self._tail = head.lower(), b""
            _, named, length = self._head.partition(b"\r\ncontent-length: ")
            self._left = int(length.split(b"\r\n", 1)[0]) if named else None
            data = rest
        if data and not self._first:
            self._first = time.perf_counter()
        if self._left is not None:
            self._left -= len(data)
            whole = self._left <= 0
        else:
            self._tail = (self._tail + data)[-len(_LAST_CHUNK) :]
            whole = self._tail == _LAST_CHUNK
        if whole:
            self._answered()

    def _answered(self) -> None:
        now = time.perf_counter()
        self._load.times.append(now - self._started)
        self._load.first_times.append((self._first or now) - self._started)
        self._load.refused += self._status not in self._head.split(b"\r\n", 1)[0] + b" "
        self._send()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self._done.is_set():
            # The answer that it waited for never came whole.
            self._load.refused += 1
        self._done.set()


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
    loop, found = asyncio.get_running_loop(), Load()
    started = time.perf_counter()
    ends = [asyncio.Event() for _ in range(connections)]
    for end in ends:
        connect = partial(_Connection, next_request, status, found, end)
        await loop.create_connection(connect, HOST, port)
    for end in ends:
        await end.wait()
    found.seconds = time.perf_counter() - started
    return found
