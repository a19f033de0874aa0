"""Load on one port of this machine: one thread, some connections, each asking again and again."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial

from dev.launch.options import HOST

_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(slots=True)
class Load:
    """What came back: times in seconds from a request's first byte to its answer's last."""

    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    refused: int = 0

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.times) / self.seconds

    def quantile_ms(self, share: float) -> float:
        """The time within which this share of the answers came, in milliseconds."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1_000


class _Connection(asyncio.Protocol):
    """Sends one request as soon as the answer to the one before is whole."""

    def __init__(self, request: bytes, until: float, load: Load, done: asyncio.Event) -> None:
        self._request, self._until, self._load, self._done = request, until, load, done
        self._started = 0.0
        self._head = b""
        self._left: int | None = None
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._head, self._left, self._tail = b"", None, b""
        self._started = time.perf_counter()
        self._transport.write(self._request)

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
        self._load.refused += b" 200 " not in self._head.split(b"\r\n", 1)[0] + b" "
        if now < self._until:
            self._send()
        else:
            self._transport.close()
            self._done.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._done.set()
        if error is not None:
            self._load.refused += 1


def load(
    port: int,
    target: str,
    *,
    seconds: float,
    connections: int,
    method: str = "GET",
    body: bytes = b"",
) -> Load:
    """Ask for `seconds`, over `connections` at once.

    Raises `RuntimeError` when anything but 200 came back, or nothing.
    """
    head = f"{method} {target} HTTP/1.1\r\nhost: {HOST}:{port}\r\nx-agent-id: bench\r\n"
    if body:
        head += f"content-length: {len(body)}\r\n"
    request = f"{head}\r\n".encode() + body
    found = asyncio.run(_load(port, request, seconds, connections))
    if found.refused or not found.times:
        raise RuntimeError(f"{found.refused} of {len(found.times)} answers were no 200: {target}")
    return found


async def _load(port: int, request: bytes, seconds: float, connections: int) -> Load:
    loop, found = asyncio.get_running_loop(), Load()
    started = time.perf_counter()
    ends = [asyncio.Event() for _ in range(connections)]
    for end in ends:
        connect = partial(_Connection, request, started + seconds, found, end)
        await loop.create_connection(connect, HOST, port)
    for end in ends:
        await end.wait()
    found.seconds = time.perf_counter() - started
    return found
