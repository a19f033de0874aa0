"""The demo tenant directory, in which every record has a script."""

import json

from .conftest import NAMESPACE
from .stand_in import TENANTS_FILE

TENANTS = json.loads(TENANTS_FILE.read_text(encoding="utf-8"))["tenants"]


def test_every_record_has_its_script_and_every_script_its_record() -> None:
    scripts = {path.stem for path in NAMESPACE.iterdir()}
    assert {tenant["workerName"] for tenant in TENANTS} == scripts


def test_one_api_has_low_limits() -> None:
    (sampler,) = (tenant for tenant in TENANTS if tenant["slug"] == "sampler")
    assert sampler["rateLimit"] == {"requests": 5, "windowSeconds": 10}
    assert sampler["usageLimit"] == {"dailyRequests": 1000}


def test_slugs_ids_and_hosts_are_unique() -> None:
    hosts = [host for tenant in TENANTS for host in tenant.get("hosts", [])]
    for names in (hosts, [t["slug"] for t in TENANTS], [t["tenantId"] for t in TENANTS]):
        assert len(names) == len(set(names))


def test_it_has_varied_categories_owners_plans_and_prices() -> None:
    assert len({tenant["directory"] for tenant in TENANTS}) >= 4
    assert len({tenant.get("owner") or tenant["ownerUserId"] for tenant in TENANTS}) >= 5
    assert {tenant["plan"] for tenant in TENANTS} == {
        "free",
        "pro",
        "business",
        "enterprise",
        "quarantine",
    }
    assert {type(tenant["priceUsd"]) for tenant in TENANTS} == {int, float, str}


def test_all_apis_are_free() -> None:
    assert not any(tenant["x402Enabled"] for tenant in TENANTS)
