"""What the demo directory promises: a marketplace in which every record has its script."""

import json

from .conftest import NAMESPACE
from .stand_in import TENANTS_FILE

TENANTS = json.loads(TENANTS_FILE.read_text(encoding="utf-8"))["tenants"]


def test_every_record_has_its_script_and_every_script_its_record() -> None:
    scripts = {path.stem for path in NAMESPACE.iterdir()}
    assert {tenant["workerName"] for tenant in TENANTS} == scripts


def test_one_api_has_limits_that_are_quick_to_run_into() -> None:
    (sampler,) = (tenant for tenant in TENANTS if tenant["slug"] == "sampler")
    assert sampler["rateLimit"] == {"requests": 5, "windowSeconds": 10}
    assert sampler["usageLimit"] == {"dailyRequests": 1000}


def test_slugs_ids_and_hosts_are_nobody_elses() -> None:
    hosts = [host for tenant in TENANTS for host in tenant.get("hosts", [])]
    for names in (hosts, [t["slug"] for t in TENANTS], [t["tenantId"] for t in TENANTS]):
        assert len(names) == len(set(names))


def test_it_looks_like_a_marketplace() -> None:
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


def test_nobody_is_charged_while_payments_do_not_exist() -> None:
    assert not any(tenant["x402Enabled"] for tenant in TENANTS)
