"""Builders of plans and bundles for tests of deployments."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cli.deploy.bundle import Bundle
from cli.deploy.deployed import Deployed
from cli.deploy.plan import Plan
from cli.deploy.request import DeployRequest, WantedStore
from cli.deploy.resources import Origin, Resource
from cli.deploy.settings import Secrets

USAGE_ID = "1" * 32
TENANT_ID = "2" * 32
CONTROL_ID = "33333333-3333-4333-8333-333333333333"
DIGEST = "d" * 64

REQUEST = DeployRequest(
    script_name="market",
    dispatch_namespace="market",
    usage_kv=WantedStore(USAGE_ID, "market-usage"),
    tenant_kv=WantedStore(None, "market-tenants"),
    control_db=WantedStore(None, "market-control"),
)

BINDINGS: tuple[Mapping[str, Any], ...] = (
    {"name": "USAGE_KV", "type": "kv_namespace", "namespace_id": USAGE_ID},
    {"name": "CONTROL_DB", "type": "d1", "id": CONTROL_ID},
    {"name": "DISPATCHER", "type": "dispatch_namespace", "namespace": "market"},
    {
        "name": "RATE_10S_1",
        "type": "ratelimit",
        "namespace_id": "100001",
        "simple": {"limit": 1, "period": 10},
    },
    {"name": "X402_NETWORK", "type": "plain_text", "text": "eip155:8453"},
)

DEPLOYED = Deployed(
    version_id="v1",
    share_percent=100,
    created_at="2026-11-23T00:00:00Z",
    source="wrangler",
    trigger="upload",
    bindings=(*BINDINGS, {"name": "CLAWR_DIGEST", "type": "plain_text", "text": DIGEST}),
    crons=("* * * * *",),
    secrets=frozenset({"CALLER_HASH_SECRET", "PLATFORM_ANALYTICS_TOKEN"}),
    migration_tag="quotas",
)


def bundle(digest: str = DIGEST, bindings: tuple[Mapping[str, Any], ...] = BINDINGS) -> Bundle:
    """Return a bundle."""
    metadata = {
        "main_module": "entry.py",
        "compatibility_date": "2026-11-17",
        "compatibility_flags": ["python_workers"],
        "bindings": list(bindings),
    }
    return Bundle(metadata, {"entry.py": "0"}, {"index.html": (10, "0")}, 1000, 400, digest)


def plan(deployed: Deployed | None = DEPLOYED, **changed: Any) -> Plan:
    """Return a plan without changes, apart from the given fields."""
    resources = (
        Resource("USAGE_KV", "KV namespace", "market-usage", USAGE_ID, Origin.GIVEN),
        Resource("CONTROL_DB", "D1 database", "market-control", CONTROL_ID, Origin.BOUND),
        Resource("DISPATCHER", "dispatch namespace", "market", "market", Origin.GIVEN),
    )
    same = Plan(
        request=REQUEST,
        resources=resources,
        config={"triggers": {"crons": ["* * * * *"]}, "migrations": [{"tag": "quotas"}]},
        bundle=bundle(),
        secrets=Secrets(("CALLER_HASH_SECRET",), {}, {}, is_refused=False),
        kept_variables=(),
        deployed=deployed,
        not_compared=None,
        migrations=("0001_payments.sql",),
        pending=(),
        domains={},
    )
    return replace(same, **changed)


def with_binding(**binding: Any) -> tuple[Mapping[str, Any], ...]:
    """Return the deployed bindings with one added, or replaced if its name exists."""
    others = [one for one in DEPLOYED.bindings if one["name"] != binding["name"]]
    return (*others, binding)
