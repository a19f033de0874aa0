"""HTTP/1.1 keep-alive connections for load tests, which time each response."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from dev.launch.options import HOST

_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Response:
    """A response: start and end of its body by `time.perf_counter`, and its status."""

    began: float
    at: float
    status: int


class Exchange(asyncio.Protocol):
    """A keep-alive connection; `on_response` gets `None` if it breaks before the response."""

    def __init__(self, on_response: Callable[[Exchange, Response | None], None]) -> None:
        """Keep the callback."""
        self._on_reply = on_response
        self._transport: asyncio.Transport | None = None
        self._is_waiting = False
        self._head = b""
        self._left: int | None = None
        self._tail = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, request: bytes) -> None:
        """Send a request; the previous one must be complete."""
        assert not self._is_waiting
        assert self._transport is not None
        self._is_waiting = True
        self._head, self._left, self._tail, self._began = b"", None, b"", 0.0
        self._transport.write(request)

    def close(self) -> None:
        """Close the connection, also during a request."""
        assert self._transport is not None
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Detect the end of the response by its length or its last chunk."""
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
            self._on_reply(
                self, Response(self._began or now, now, int(self._head.split(b" ", 2)[1]))
            )

    def connection_lost(self, _error: Exception | None) -> None:
        """Report a lost connection during a request."""
        if self._is_waiting:
            self._is_waiting = False
            self._on_reply(self, None)


class Caller(Protocol):
    """Sends requests over one connection, each after the previous response."""

    done: asyncio.Event

    def next(self, exchange: Exchange) -> None:
        """Send the next request, or close the connection and set `done`."""

    def on_response(self, exchange: Exchange, response: Response | None) -> None:
        """Handle a response, or `None` for a broken connection."""


async def run_callers(port: int, callers: Sequence[Caller]) -> None:
    """Connect all callers, and wait until they are done."""
    for caller in callers:
        caller.next(await connect(port, caller.on_response))
    for caller in callers:
        await caller.done.wait()


async def connect(port: int, on_response: Callable[[Exchange, Response | None], None]) -> Exchange:
    """Connect to a port on this machine."""
    loop = asyncio.get_running_loop()
    _, exchange = await loop.create_connection(partial(Exchange, on_response), HOST, port)
    return exchange


def get_request(target: str, **headers: str) -> bytes:
    """Return a GET request as bytes; `_` in header names is replaced by `-`."""
    lines = [f"GET {target} HTTP/1.1", f"host: {HOST}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()
