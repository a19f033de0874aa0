"""A local server with configurable responses, which records its requests."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cli.secret import Secret
from cli.targets import Dispatcher
from dev.layout import HERE

TOKEN = "token-of-the-loopback-server"


@dataclass(frozen=True, slots=True)
class Asked:
    """A received request.

    Args:
        method: The method.
        path: The path without the query.
        query: The query's parameters.
        headers: The headers, by lower-case name.
        body: The body.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """A response.

    Args:
        body: An object, sent as JSON, or bytes.
        status: The status code.
        headers: More headers.
        seconds: The delay before it is sent.
    """

    body: Mapping[str, Any] | bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(slots=True)
class Loopback:
    """The server.

    Args:
        answer: Returns the response to a request.
        url: The server's URL.
        asked: The received requests, in order.
    """

    answer: Callable[[Asked], Reply]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    @property
    def port(self) -> int:
        """The server's port."""
        return int(self.url.rpartition(":")[2])

    @property
    def dispatcher(self) -> Dispatcher:
        """The server as a dispatcher with a token."""
        return Dispatcher(self.url, Secret(TOKEN))


@contextmanager
def answering(answer: Callable[[Asked], Reply], port: int = 0) -> Iterator[Loopback]:
    """Run a server during a `with` block, at a free port if none is given."""
    loopback = Loopback(answer)
    connections: list[socket.socket] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Send head and body in one packet: with two, each response waits for an acknowledgement.
        wbufsize = 2**16

        def setup(self) -> None:
            super().setup()
            connections.append(self.connection)

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _answer(self) -> None:
            url = urlsplit(self.path)
            sent = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, url.path, dict(parse_qsl(url.query)), headers, sent)
            loopback.asked.append(asked)
            reply = loopback.answer(asked)
            time.sleep(reply.seconds)
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response_only(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def __getattr__(self, name: str) -> Callable[[], None]:
            if name.startswith("do_"):
                return self._answer
            raise AttributeError(name)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    loopback.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield loopback
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        # Otherwise a client with an open connection would still get responses.
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def in_turn(*replies: Reply) -> Callable[[Asked], Reply]:
    """Return the responses one after the other, and then the last one repeatedly."""
    waiting = list(replies)

    def answer(_: Asked) -> Reply:
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return answer


def recorded(operation: str) -> dict[str, Any]:
    """Return a real dispatcher's recorded response to an operation of its API."""
    body: dict[str, Any] = json.loads(HERE.api_examples.read_text())[operation][0]["body"]
    return body
