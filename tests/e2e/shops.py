"""Shops that sell for a cent without the dispatcher, to test the economy alone.

`running_shop` uses the official server library, which supports only version 2;
`running_v1_shop` implements version 1 after its specification.
"""

import base64
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from dev.economy import Economy
from dev.economy.process import GuardedServer
from dev.layout import HERE
from dev.setup.node import find_node

PRICE = 10_000
NETWORK_V1 = "base-sepolia"


@contextmanager
def running_shop(economy: Economy, log: Path) -> Iterator[str]:
    """Run a shop with the official server library; yield the URL of its resource."""
    server = GuardedServer(
        "The shop",
        (find_node(HERE), HERE.economy / "test" / "shop.js"),
        {**os.environ, "FACILITATOR_URL": economy.facilitator_url, "PAY_TO": economy.payee},
        log,
    )
    try:
        yield f"{server.wait_until_ready()}/t/priced/cent"
    finally:
        server.stop()


@contextmanager
def running_v1_shop(economy: Economy) -> Iterator[str]:
    """Run a shop that supports version 1; yield the URL of its resource."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._sell(b"")

        def do_POST(self) -> None:
            self._sell(self.rfile.read(int(self.headers["content-length"])))

        def log_message(self, *_: object) -> None:
            pass

        def _sell(self, body: bytes) -> None:
            requirements = v1_requirements(economy, url)
            payment = self.headers.get("x-payment")
            if payment is None:
                self._respond(
                    402, {"x402Version": 1, "error": "pay first", "accepts": [requirements]}
                )
                return
            call = {
                "x402Version": 1,
                "paymentPayload": json.loads(base64.b64decode(payment)),
                "paymentRequirements": requirements,
            }
            settled = httpx.post(f"{economy.facilitator_url}/settle", json=call, timeout=60).json()
            receipt = base64.b64encode(json.dumps(settled).encode()).decode()
            served = {"method": self.command, "body": body.decode()}
            self._respond(200 if settled["success"] else 402, served, receipt)

        def _respond(self, code: int, document: dict[str, Any], receipt: str = "") -> None:
            content = json.dumps(document).encode()
            self.send_response(code)
            if receipt:
                self.send_header("x-payment-response", receipt)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}/t/priced/cent"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield url
        finally:
            server.shutdown()


def v1_requirements(economy: Economy, url: str) -> dict[str, Any]:
    """Return payment requirements of one cent in version 1."""
    return {
        "scheme": "exact",
        "network": NETWORK_V1,
        "maxAmountRequired": str(PRICE),
        "resource": url,
        "description": "Sold for a cent",
        "mimeType": "application/json",
        "payTo": economy.payee,
        "maxTimeoutSeconds": 60,
        "asset": economy.asset,
        "extra": {"name": "USDC", "version": "2"},
    }
