"""Records responses of a real dispatcher as examples for the API reference."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import httpx
from rich.console import Console

from dev.economy import running_economy
from dev.economy.announcement import announced
from dev.economy.pay import PaidRequest, pay
from dev.launch import running_dispatcher
from dev.launch.payments import with_priced_apis
from dev.layout import Layout

TOKEN = "dev-token"  # noqa: S105
URL = "http://localhost:8787"
"""The address of `make dev`, for the commands on the page."""

SHOWN_HEADERS = (
    "content-type",
    "cache-control",
    "etag",
    "vary",
    "allow",
    "www-authenticate",
    "retry-after",
    "x-request-id",
    "x-tenant-id",
)
OLD_EVENTS = [
    {"id": "old-1", "at": "2026-11-01T12:00:00Z", "tenantId": "t1", "slug": "news", "status": 200},
    {"id": "old-2", "at": "2026-11-01T12:00:01Z", "tenantId": "t1", "slug": "news", "status": 99},
]
CALLS = ("feasts/easter?year=2026", "airports/airports?country=CH&limit=1", "pulse/")

Example = dict[str, Any]
Json: TypeAlias = Any


def record(layout: Layout) -> Mapping[str, Sequence[Example]]:
    """Start a dispatcher, call and pay its APIs, and return its responses by operation."""
    demo = layout.root / "dev" / "demo"
    tenants = with_priced_apis((demo / "tenants.json").read_text(), demo / "priced.json")
    with tempfile.TemporaryDirectory() as name, running_economy() as economy:
        state = Path(name)
        variables = {**economy.settings(), "PLATFORM_ANALYTICS_TOKEN": TOKEN}
        with (
            running_dispatcher(
                state=state, tenants=tenants, namespace=demo / "namespace", variables=variables
            ) as server,
            announced(state, server.url, economy.rpc_url, economy.solana_rpc_url),
            httpx.Client(base_url=server.url, timeout=60) as client,
            Path(os.devnull).open("w") as nowhere,
        ):
            for call in CALLS:
                client.get(f"/t/{call}", headers={"x-agent-id": "planner"})
            pay(
                layout,
                state,
                PaidRequest("rates/convert?from=EUR&to=JPY&amount=2", "GET", "", 2),
                Console(file=nowhere),
            )
            return _record_all(client)


def _record_all(client: httpx.Client) -> Mapping[str, Sequence[Example]]:
    now = datetime.now(UTC)
    span = f"from={now:%Y-%m-%d}&to={now + timedelta(days=1):%Y-%m-%d}"
    paths_by_operation = {
        "serviceHealth": ("/health",),
        "analytics": ("/__platform/analytics?window=today&top=1", "/__platform/analytics?top=0"),
        "events": ("/__platform/events?limit=1",),
        "usage": (
            f"/__platform/usage?{span}&api=feasts",
            f"/__platform/usage?{span}&interval=month&groupBy=outcome",
            f"/__platform/usage?{span}&groupBy=caller",
        ),
        "settlements": ("/__platform/settlements?limit=1",),
        "reconciliation": ("/__platform/reconciliation",),
        "health": ("/__platform/health",),
        "call": ("/t/feasts/easter?year=2026", "/t/unknown/"),
    }
    found = {
        name: [_example(client, "GET", path) for path in paths]
        for name, paths in paths_by_operation.items()
    }
    found["compact"] = [_example(client, "POST", f"/__platform/compact?{span}")]
    found["import"] = [_example(client, "POST", "/__platform/import", json.dumps(OLD_EVENTS))]
    return found


def _example(client: httpx.Client, method: str, path: str, body: str = "") -> Example:
    headers = {"authorization": f"Bearer {TOKEN}"} if path.startswith("/__platform") else {}
    response = client.request(method, path, headers=headers, content=body or None)
    options = "".join(f"-H 'Authorization: Bearer {TOKEN}' " for _ in headers)
    verb = "" if method == "GET" else f"-X {method} "
    options += f"--data '{body}' " if body else ""
    return {
        "command": f"curl -i {verb}{options}'{URL}{path}'",
        "status": response.status_code,
        "headers": {
            name: response.headers[name] for name in SHOWN_HEADERS if name in response.headers
        },
        "body": _cut(json.loads(response.text)),
    }


def _cut(value: Json) -> Json:
    """Shorten each list to its first entry."""
    if isinstance(value, dict):
        return {name: _cut(part) for name, part in value.items()}
    return [_cut(part) for part in value[:1]] if isinstance(value, list) else value
