"""The kinds of requests with a budget, and the tenants they are sent to."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dev.launch.config import DEVELOPMENT_TOKEN
from dev.launch.options import HOST

NAMESPACE = Path(__file__).with_name("namespace")
HOST_OF_TENANT = "free.budget.example"
_TOKEN = {"authorization": f"Bearer {DEVELOPMENT_TOKEN}"}
_JSON_WEB_TOKEN = "Bearer eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJpIiwic3ViIjoicyIsImV4cCI6MX0.c2ln"  # noqa: S105
"""With the claims `iss`, `sub` and `exp`."""

_PAYEE = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"


def _tenant(slug: str, **fields: Any) -> dict[str, Any]:
    return {"slug": slug, "tenantId": f"ten_{slug}", "workerName": "plain", "plan": "pro", **fields}


DIRECTORY = {
    "tenants": [
        _tenant("free", owner="@budget", hosts=[HOST_OF_TENANT]),
        _tenant(
            "limited",
            rateLimit={"requests": 1_024, "windowSeconds": 60},
            usageLimit={"dailyRequests": 1_000_000},
        ),
        _tenant("priced", priceUsd="0.01", x402Enabled=True, payTo=_PAYEE),
    ]
}
SETTINGS = {
    # Nothing listens there: unpaid requests need no facilitator.
    "FACILITATOR_URL": f"http://{HOST}:9",
    "X402_NETWORK": "eip155:84532",
    "X402_ASSET": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
    "X402_ASSET_NAME": "USDC",
    "X402_ASSET_VERSION": "2",
    "X402_RPC_URL": f"http://{HOST}:9",
    "PAY_TO_ADDRESS": _PAYEE,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request.

    Args:
        name: Its name in the budget.
        status: The expected status.
        path: Path and query.
        method: The method.
        headers: Its headers in addition to those of every request.
        body: Its body.
    """

    name: str
    status: int
    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


FREE = Kind("free", 200, "/t/free/item?id=1")
KINDS = (
    FREE,
    Kind("free_by_host", 200, "/item?id=1", headers={"host": HOST_OF_TENANT}),
    Kind("post", 200, "/t/free/item", "POST", {"content-type": "application/json"}, b'{"a": 1}'),
    Kind("unknown_api", 404, "/t/unknown/item"),
    Kind("limited", 200, "/t/limited/item"),
    Kind("unpaid", 402, "/t/priced/item"),
    Kind("free_by_token", 200, "/t/free/item?id=1", headers={"authorization": _JSON_WEB_TOKEN}),
    Kind("health", 200, "/health"),
    Kind("analytics", 200, "/__platform/analytics?window=today", headers=_TOKEN),
)


def send(connection: http.client.HTTPConnection, kind: Kind) -> None:
    """Send one request and read the response.

    Raises:
        AssertionError: The response has another status.
    """
    headers = {"user-agent": "budget", "x-agent-id": "budget", **kind.headers}
    connection.request(kind.method, kind.path, kind.body, headers)
    response = connection.getresponse()
    body = response.read()
    assert response.status == kind.status, f"{kind.name}: {response.status} {body[:300]!r}"
