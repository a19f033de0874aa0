"""A dispatcher for security tests: tenants with hostile names, many tokens, raw requests."""

import hashlib
import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.launch import Server
from dev.launch.config import script_log

from .caller import Caller
from .marketplace import MIRROR_HOST, tenant

OPERATOR = "operator-token-of-the-end-to-end-tests"
MONITOR = "monitor-token-of-the-end-to-end-tests"
MONITOR_NEXT = "next-monitor-token-of-the-end-to-end-tests"
BOOKS = "books-token-of-the-end-to-end-tests"
GUEST = "guest-token-of-the-end-to-end-tests"

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
FORMULA = '=HYPERLINK("http://evil.example")'
FACILITATOR_KEY = "key-of-the-facilitator-7c1e"
HASH_SECRET = "hash-secret-of-the-tests-51ab"

RAW_SECONDS = 20.0


def entry(name: str, token: str, *scopes: str, **fields: str) -> dict[str, Any]:
    digest = hashlib.sha256(token.encode()).hexdigest()
    return {"name": name, "scopes": [*scopes], "sha256": digest, **fields}


TOKENS = [
    entry("monitor-1", MONITOR, "analytics:read"),
    entry("monitor-2", MONITOR_NEXT, "analytics:read"),
    entry("books", BOOKS, "events:read"),
    entry("guest", GUEST, "admin", notAfter="2026-01-01T00:00Z"),
]

SETTINGS = {
    "PLATFORM_ANALYTICS_TOKEN": OPERATOR,
    "PLATFORM_TOKENS": json.dumps(TOKENS),
    "CALLER_HASH_SECRET": HASH_SECRET,
    "FACILITATOR_URL": "http://127.0.0.1:9",
    "FACILITATOR_API_KEY": FACILITATOR_KEY,
    "X402_NETWORK": "eip155:84532",
    "X402_ASSET": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
    "X402_ASSET_NAME": "USDC",
    "X402_ASSET_VERSION": "2",
    "PAY_TO_ADDRESS": "0x" + "5a" * 20,
}


def directory() -> dict[str, Any]:
    return {
        "tenants": [
            tenant("mirror", "mirror", hosts=[MIRROR_HOST]),
            tenant("victim", "mirror", hosts=["victim.e2e.example"]),
            tenant("marker", "mirror"),
            tenant("crafted", "crafted", hosts=["crafted.e2e.example"]),
            tenant("beside", "crafted"),
            tenant("tattletale", "tattletale"),
            tenant("hostile", "mirror", owner=SCRIPT, directory=IMAGE),
            tenant("formula", "mirror", owner=FORMULA, directory="+1+1"),
            tenant(
                "sold",
                "mirror",
                priceUsd="0.01",
                x402Enabled=True,
                owner=SCRIPT,
                description=SCRIPT + IMAGE,
            ),
        ]
    }


@dataclass(frozen=True, slots=True)
class AttackedDispatcher:
    """The dispatcher, its STATE and a client for it."""

    server: Server
    state: Path
    caller: Caller

    def raw(self, request: bytes) -> bytes:
        """Send these bytes; return everything received until the connection ends."""
        response = b""
        with socket.create_connection(("127.0.0.1", self.server.port), RAW_SECONDS) as connection:
            connection.sendall(request)
            try:
                while piece := connection.recv(65_536):
                    response += piece
            except ConnectionResetError:
                # A reset ends the response too.
                pass
        return response

    def log(self) -> str:
        """Return the output after the start; before it, wrangler prints the settings."""
        printed = self.server.log.read_text(encoding="utf-8", errors="replace")
        return printed.partition("Ready on http")[2]

    def stored(self) -> bytes:
        """Return all bytes of the local KV, databases and counters.

        The local log of scripts is left out: it has what they throw themselves.
        """
        files = (file for file in self.state.rglob("*") if file.is_file())
        return b"".join(
            file.read_bytes() for file in files if file.parent != script_log(self.state).parent
        )


@contextmanager
def open_attacked_dispatcher(server: Server, state: Path) -> Iterator[AttackedDispatcher]:
    with Caller(server.url, OPERATOR) as caller:
        yield AttackedDispatcher(server, state, caller)


def status_of(response: bytes) -> int:
    """Return the status of the first response."""
    match = re.match(rb"HTTP/1\.1 (\d{3})", response)
    assert match, response[:200]
    return int(match[1])


def head_of(response: bytes) -> str:
    """Return status line and headers of the first response in lower case."""
    return response.partition(b"\r\n\r\n")[0].decode("latin-1").lower()
