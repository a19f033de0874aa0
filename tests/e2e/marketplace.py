"""The tenants and scripts of the end-to-end tests: the demo's and misbehaving ones.

A test that counts events has its own tenant, so that tests that share a dispatcher can run
in any order.
"""

import shutil
from pathlib import Path
from typing import Any, TypeAlias

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO_NAMESPACE = REPOSITORY / "dev" / "demo" / "namespace"
DEMO_TENANTS = REPOSITORY / "dev" / "demo" / "tenants.json"

SECRET = "hunter2"
"""Part of the exceptions of scripts; it must not be in any response."""

MIRROR_HOST = "mirror.e2e.example"
INTERNATIONAL_HOST = "Bücher.E2E.example"
INTERNATIONAL_HOST_ASCII = "xn--bcher-kva.e2e.example"

Field: TypeAlias = str | bool | list[str] | dict[str, int] | None
"""A field of a directory record."""

BAD_RECORDS: list[Any] = [
    {"slug": "Has Spaces", "tenantId": "ten_bad_slug", "workerName": "mirror"},
    {"slug": "no-worker", "tenantId": "ten_no_worker"},
    {"slug": "bad-price", "tenantId": "ten_bad_price", "workerName": "mirror", "priceUsd": "a lot"},
    {"slug": "bad-plan", "tenantId": "ten_bad_plan", "workerName": "mirror", "plan": "platinum"},
    "not even an object",
]


def tenant(slug: str, worker_name: str, **fields: Field) -> dict[str, Any]:
    """Return a directory record with defaults for the required fields."""
    return {
        "slug": slug,
        "tenantId": f"ten_{slug}",
        "workerName": worker_name,
        "owner": f"@owner-of-{slug}",
        "directory": "End to end",
        "plan": "enterprise",
        "priceUsd": 0,
        "x402Enabled": False,
        **fields,
    }


def directory() -> dict[str, Any]:
    """Return the directory of the shared dispatcher, which has bad records too."""
    good = [
        tenant("mirror", "mirror", hosts=[MIRROR_HOST, INTERNATIONAL_HOST]),
        tenant("digest", "digest"),
        tenant("parley", "parley", hosts=["parley.e2e.example"]),
        tenant("passport", "passport"),
        tenant("crafted", "crafted", hosts=["crafted.e2e.example"]),
        tenant("gate", "gate"),
        tenant("unfinished", "unfinished"),
        tenant("serpent", "serpent"),
        tenant("ghost", "no-such-script"),
        tenant("marker", "mirror"),
        tenant("ledger", "mishap", directory="Ledgers", priceUsd="0.25"),
        tenant("tight", "tally", limits={"cpuMs": 50, "subRequests": 1}),
        tenant("identity", "mirror"),
        tenant("errors", "crafted"),
        tenant("late-script", "late-script"),
        tenant("nameless", "mirror", owner=None, ownerUserId="4711", directory=None),
        *(tenant(slug, "mirror", hosts=[f"{slug}.e2e.example"]) for slug in NEIGHBOURS),
        *(tenant(f"event-{scenario}", script) for scenario, script in EVENT_SCENARIOS.items()),
    ]
    return {"tenants": [*BAD_RECORDS, *good]}


NEIGHBOURS = ("neighbour-a", "neighbour-b", "neighbour-c")
"""Tenants of one script, called concurrently."""

EVENT_SCENARIOS = {
    "served": "mirror",
    "failed": "crafted",
    "missing": "no-such-script",
    "abandoned-wait": "patience",
    "abandoned-many": "patience",
    "abandoned-upload": "gate",
    "abandoned-download": "gate",
    "broken-download": "crafted",
    "socket": "parley",
    "many": "mirror",
}
"""How requests to the tenant `event-…` end, and its script."""


def make_namespace(folder: Path) -> Path:
    """Copy the scripts of the demo and the tests to `folder` and return it."""
    shutil.copytree(DEMO_NAMESPACE, folder, dirs_exist_ok=True)
    shutil.copytree(Path(__file__).with_name("namespace"), folder, dirs_exist_ok=True)
    return folder
