"""A server on this machine that answers as it is told, and remembers who asked what."""

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
    """A request that came.

    Args:
        method: Its method.
        path: Its path without the query.
        query: Its parameters.
        headers: Its headers, by name in lower case.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Args:
        body: An object for JSON, or bytes as they are.
        status: Its status.
        headers: More headers.
        seconds: How long it takes.
    """

    body: Mapping[str, Any] | bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(slots=True)
class Loopback:
    """The server.

    Args:
        answer: Gives the reply for a request.
        url: Where it is.
        asked: What came, in order.
    """

    answer: Callable[[Asked], Reply]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Return its port."""
        return int(self.url.rpartition(":")[2])

    @property
    def dispatcher(self) -> Dispatcher:
        """Return it as a dispatcher with a token."""
        return Dispatcher(self.url, Secret(TOKEN))


@contextmanager
def answering(answer: Callable[[Asked], Reply], port: int = 0) -> Iterator[Loopback]:
    """Run a server for the time of a `with` block, at a free port if none is given."""
    loopback = Loopback(answer)
    connections: list[socket.socket] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: with two, each answer waits for an acknowledgement.
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
            self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, url.path, dict(parse_qsl(url.query)), headers)
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
        # Otherwise a client that keeps its connection would be answered on and on.
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def in_turn(*replies: Reply) -> Callable[[Asked], Reply]:
    """Give the replies one after the other, and the last one for ever."""
    waiting = list(replies)

    def answer(_: Asked) -> Reply:
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return answer


def recorded(operation: str) -> dict[str, Any]:
    """Return what a real dispatcher answered to an operation of its API."""
    body: dict[str, Any] = json.loads(HERE.api_examples.read_text())[operation][0]["body"]
    return body
