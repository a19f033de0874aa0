"""A server to be wrapped, with every kind of response that a wrapper must handle."""

import gzip
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Upstream:
    """A server on a free local port.

    `url` is its URL; `seen` are the received requests, as JSON.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.seen: list[dict[str, Any]] = []


@contextmanager
def running_upstream() -> Iterator[Upstream]:
    """Run a server during a `with` block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    upstream = Upstream(server.server_port)
    server.upstream = upstream  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield upstream
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length).decode()
        upstream = self.server.upstream  # type: ignore[attr-defined]
        request = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body,
        }
        upstream.seen.append(request)
        name = urlsplit(self.path).path.removeprefix("/v1/")
        answer = getattr(self, f"answer_{name.replace('-', '_')}", None)
        if answer:
            answer()
        else:
            self.answer(200, json.dumps(request).encode(), {"set-cookie": "a=b", "x-own": "yes"})

    do_POST = do_GET  # noqa: N815 (the server's names)
    do_HEAD = do_GET  # noqa: N815

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {"content-type": "application/json", **(headers or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_packed(self) -> None:
        self.answer(200, gzip.compress(b'{"packed":true}'), {"content-encoding": "gzip"})

    def answer_large(self) -> None:
        self.answer(200, b"x" * 5_000)

    def answer_large_chunked(self) -> None:
        self.chunked(b"x" * 1_000, 5)

    def answer_small_chunked(self) -> None:
        self.chunked(b"part ", 3)

    def chunked(self, part: bytes, count: int) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for _ in range(count):
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def answer_slow(self) -> None:
        time.sleep(1.5)
        self.answer(200, b"{}")

    def answer_broken(self) -> None:
        self.answer(503, b'{"trace": "secret of the upstream"}')

    def answer_refused(self) -> None:
        self.answer(401, b'{"why": "your key sk-1 is wrong"}')

    def answer_missing(self) -> None:
        self.answer(404, b'{"error": "nothing here"}')

    def answer_hang_up(self) -> None:
        self.close_connection = True

    def answer_redirect_inside(self) -> None:
        self.answer(302, b"", {"location": "/v1/landed"})

    def answer_redirect_private(self) -> None:
        self.answer(302, b"", {"location": "http://169.254.169.254/latest"})

    def answer_redirect_file(self) -> None:
        self.answer(302, b"", {"location": "file:///etc/passwd"})

    def answer_redirect_loop(self) -> None:
        self.answer(302, b"", {"location": "/v1/redirect-loop"})

    def answer_redirect_elsewhere(self) -> None:
        port = self.server.server_port  # type: ignore[attr-defined]
        self.answer(302, b"", {"location": f"http://localhost:{port}/v1/landed"})

    def log_message(self, *_parts: object) -> None:
        pass
