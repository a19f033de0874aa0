"""One connection that carries one request after the other, and says what came back of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from dev.launch.options import HOST

_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: when its body began and when it was whole, by `time.perf_counter`; its status."""

    began: float
    at: float
    status: int


class Exchange(asyncio.Protocol):
    """A connection that is kept; `on_reply` gets None where it broke before the answer."""

    def __init__(self, on_reply: Callable[[Exchange, Reply | None], None]) -> None:
        """Take whom to tell."""
        self._on_reply = on_reply
        self._transport: asyncio.Transport | None = None
        self._is_waiting = False
        self._head = b""
        self._left: int | None = None
        self._tail = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what is written to."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, request: bytes) -> None:
        """Send one request; the one before must have been answered."""
        assert not self._is_waiting
        assert self._transport is not None
        self._is_waiting = True
        self._head, self._left, self._tail, self._began = b"", None, b"", 0.0
        self._transport.write(request)

    def close(self) -> None:
        """Leave, whether or not an answer is still to come."""
        assert self._transport is not None
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Look for the answer's end, by its length or its last chunk."""
        if not self._head:
            self._tail += data
            head, found, rest = self._tail.partition(_HEAD_END)
            if not found:
                return
            self._head, self._tail = head.lower(), b""
            _, named, length = self._head.partition(b"\r\ncontent-length: ")
            self._left = int(length.split(b"\r\n", 1)[0]) if named else None
            data = rest
        if data and not self._began:
            self._began = time.perf_counter()
        if self._left is not None:
            self._left -= len(data)
            is_whole = self._left <= 0
        else:
            self._tail = (self._tail + data)[-len(_LAST_CHUNK) :]
            is_whole = self._tail == _LAST_CHUNK
        if is_whole:
            self._is_waiting = False
            now = time.perf_counter()
            self._on_reply(self, Reply(self._began or now, now, int(self._head.split(b" ", 2)[1])))

    def connection_lost(self, _error: Exception | None) -> None:
        """Say so where an answer was awaited."""
        if self._is_waiting:
            self._is_waiting = False
            self._on_reply(self, None)


async def connect(port: int, on_reply: Callable[[Exchange, Reply | None], None]) -> Exchange:
    """Connect to a port of this machine."""
    loop = asyncio.get_running_loop()
    _, exchange = await loop.create_connection(partial(Exchange, on_reply), HOST, port)
    return exchange


def written(target: str, **headers: str) -> bytes:
    """Write a GET request; `_` in the names of headers stands for `-`."""
    lines = [f"GET {target} HTTP/1.1", f"host: {HOST}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()
