"""A fake dispatcher that counts the requests to tenants and serves analytics."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from dev.launch.config import DEVELOPMENT_TOKEN

TENANTS_FILE = Path(__file__).resolve().parents[3] / "dev" / "demo" / "tenants.json"


class StandIn(ThreadingHTTPServer):
    """Serves the demo tenants on a free port of the loopback interface.

    Args:
        token: The accepted platform token.
        forget_every: Every n-th call is missing in its totals; 0 for none.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, token: str, forget_every: int) -> None:
        """Bind the port and read the demo tenants."""
        super().__init__(("127.0.0.1", 0), _Handler)
        tenants = json.loads(TENANTS_FILE.read_text(encoding="utf-8"))["tenants"]
        self.slugs = {tenant["slug"] for tenant in tenants}
        self.hosts = {
            host.encode("idna").decode() for tenant in tenants for host in tenant.get("hosts", [])
        }
        self.token = token
        self.forget_every = forget_every
        self.received = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def calls(self) -> int:
        """The calls in its analytics."""
        return self.received - (self.received // self.forget_every if self.forget_every else 0)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        self._drop_body()
        host = self.headers["host"].partition(":")[0]
        if self.path.startswith("/__platform/analytics"):
            self._analytics()
        elif host in self.server.hosts or self.path.split("/")[2:3][0] in self.server.slugs:
            with self.server.lock:
                self.server.received += 1
            self._respond(200, {"fine": True})
        else:
            self._respond(404, {"ok": False, "error": "tenant_not_found", "requestId": "r"})
        self.wfile.flush()

    def _drop_body(self) -> None:
        if self.headers.get("transfer-encoding") != "chunked":
            self.rfile.read(int(self.headers.get("content-length", 0)))
            return
        while size := int(self.rfile.readline(), 16):
            self.rfile.read(size + 2)
        self.rfile.readline()

    def _analytics(self) -> None:
        if self.headers.get("authorization") != f"Bearer {self.server.token}":
            self._respond(401, {"ok": False, "error": "unauthorized", "requestId": "r"})
            return
        hero = {"activeAgents": 3, "publishedApis": 12, "directories": 6, "revenueUsd": 1.5}
        row = {
            "rank": 1,
            "endpoint": "/t/airports",
            "owner": "@meridian-data",
            "directory": "Data",
            "priceUsd": 0.002,
            "calls": self.server.calls,
            "uniqueCallers": 3,
            "latencyMs": 12.3,
            "p95LatencyMs": 45.6,
            "errorRatePct": 7.5,
            "trendingScore": 99.5,
        }
        snapshot = {
            "window": "today",
            "range": {"startAt": "2026-11-22T00:00:00.000Z", "endAt": "2026-11-22T12:00:00.000Z"},
            "heroStats": {**hero, "calls": self.server.calls},
            "topApis": [row],
        }
        self._respond(200, {"ok": True, "requestId": "r", "snapshot": snapshot})

    def _respond(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.send_header("content-type", "application/json; charset=utf-8")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def stand_in(*, token: str = DEVELOPMENT_TOKEN, forget_every: int = 0) -> Iterator[StandIn]:
    """Run a fake dispatcher during a `with` block."""
    with StandIn(token, forget_every) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
