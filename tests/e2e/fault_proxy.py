"""A proxy in front of the facilitator that fails on demand.

Each call is handled by one `Fault`, a function that may pass the call on. Tests queue faults
for a path, one for each call; without any, calls are passed on.

    with running_fault_proxy(economy.facilitator_url) as proxy:
        proxy.then("/settle", fail_after_success(500), pass_on)
"""

import socket
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from .faults import Call, ConnectionDropped, Fault, Response, pass_on

UPSTREAM_SECONDS = 200.0


@dataclass(slots=True)
class FaultProxy:
    """A proxy that handles each call with the next fault of its path.

    Args:
        call_upstream: Sends a call to the real facilitator.
        calls: All calls so far, in the order of arrival.
    """

    call_upstream: Callable[[Call], Response]
    calls: list[Call] = field(default_factory=list)
    _queues: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    _always: dict[str, Fault] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _port: int = 0
    _server: "_Server | None" = None

    @property
    def url(self) -> str:
        """The address of the proxy, without a final slash; it never changes."""
        return f"http://127.0.0.1:{self._port}"

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen during a `with` block."""
        self._listen()
        try:
            yield
        finally:
            self._stop_listening()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Refuse all connections during a `with` block."""
        self._stop_listening()
        try:
            yield
        finally:
            self._listen()

    def _listen(self) -> None:
        self._server = _Server(self, self._port)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _stop_listening(self) -> None:
        assert self._server is not None
        self._server.end()

    def then(self, path: str, *faults: Fault) -> None:
        """Queue faults for the next calls to a path, one for each call."""
        with self._lock:
            self._queues[path].extend(faults)

    def always(self, path: str, fault: Fault) -> None:
        """Handle all calls to a path with a fault when its queue is empty."""
        with self._lock:
            self._always[path] = fault

    def reset(self) -> None:
        """Remove all faults and recorded calls."""
        with self._lock:
            self._queues.clear()
            self._always.clear()
            self.calls.clear()

    def count(self, path: str) -> int:
        """Return the number of calls to a path."""
        return len(self.calls_to(path))

    def calls_to(self, path: str) -> list[Call]:
        """Return the calls to a path, in the order of arrival."""
        with self._lock:
            return [call for call in self.calls if call.path == path]

    def respond_to(self, call: Call) -> Response:
        """Record a call and return the response of its fault."""
        with self._lock:
            self.calls.append(call)
            queue = self._queues[call.path]
            fault = queue.popleft() if queue else self._always.get(call.path, pass_on)
        call.response = fault(call)
        return call.response


@contextmanager
def running_fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """Run a proxy in front of the facilitator at `upstream` during a `with` block."""
    with httpx.Client(base_url=upstream, timeout=UPSTREAM_SECONDS) as client:

        def call_upstream(call: Call) -> Response:
            started = time.monotonic()
            response = client.request(
                "POST" if call.body else "GET",
                call.path,
                content=call.body,
                headers={"content-type": "application/json"},
            )
            call.upstream_seconds = time.monotonic() - started
            extensions = response.headers.get("extension-responses", "")
            call.upstream = Response(response.status_code, response.content, extensions=extensions)
            return call.upstream

        proxy = FaultProxy(call_upstream)
        with proxy.listening():
            yield proxy


@contextmanager
def running_redirects(target: str, code: int) -> Iterator[tuple[str, list[str]]]:
    """Run a server that redirects every request to the same path of `target`.

    Yields its address, and the `authorization` headers that it gets.
    """
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", "0")))
            seen.append(self.headers.get("authorization", ""))
            self.send_response(code)
            self.send_header("location", target + self.path)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", seen
        finally:
            server.shutdown()


class _Server(ThreadingHTTPServer):
    """The proxy's HTTP server; it closes its connections when it ends."""

    daemon_threads = True

    def __init__(self, proxy: FaultProxy, port: int) -> None:
        self.proxy = proxy
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def end(self) -> None:
        """Stop listening and close all connections."""
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def log_message(self, *_: object) -> None:
        pass

    def _handle(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        proxy = self.server.proxy
        call = Call(self.path, headers, self.rfile.read(length), proxy.call_upstream)
        try:
            response = proxy.respond_to(call)
        except ConnectionDropped:
            reset_at_close(self.connection)
            self.close_connection = True
            return
        try:
            self.send_response(response.status)
            self.send_header("content-type", response.content_type)
            self.send_header("content-length", str(len(response.body)))
            if response.extensions:
                self.send_header("extension-responses", response.extensions)
            if response.status // 100 == 3:
                self.send_header("location", "/elsewhere")
            self.end_headers()
            self.wfile.write(response.body)
        except OSError:
            # The caller has disconnected.
            self.close_connection = True


def reset_at_close(connection: socket.socket) -> None:
    """Make closing the connection send a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def refused_address() -> str:
    """Return a local address that refuses connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
