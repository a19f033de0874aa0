"""`clawr deploy-dispatcher` plans a deployment of the real Worker without an account."""

import json

import pytest

from dev.launch.config import load_production_config
from dev.layout import HERE

from .command import Ran, clawr_inside

OPTIONS = (
    *("--script-name", "market", "--dispatch-namespace", "scripts"),
    *("--usage-kv-id", "0123456789abcdef0123456789abcdef"),
)
SETTINGS = {
    "CALLER_HASH_SECRET": "hidden-hash-secret",
    "X402_NETWORK": "eip155:8453",
    "TENANT_DIRECTORY_JSON": '{"tenants": []}',
}


@pytest.fixture(scope="module")
def dry() -> Ran:
    """A dry run without a token."""
    before = HERE.wrangler_toml.read_bytes()
    ran = clawr_inside("deploy-dispatcher", *OPTIONS, "--json", settings=SETTINGS)
    assert ran.code == 0, ran.err
    assert HERE.wrangler_toml.read_bytes() == before
    return ran


def test_the_plan_says_why_nothing_was_compared(dry: Ran) -> None:
    assert "CLOUDFLARE_API_TOKEN not set" in dry.document["notCompared"]
    assert dry.document["changes"] is None
    assert dry.document["executed"] is False


def test_the_plan_lists_every_binding(dry: Ran) -> None:
    config = load_production_config(HERE.wrangler_toml)
    named = {one["name"] for one in dry.document["bindings"]}
    assert {one["name"] for one in config["ratelimits"]} <= named
    assert {"USAGE_KV", "DISPATCHER", "ASSETS", "QUOTAS", "USAGE_SHARD"} <= named
    assert dry.document["crons"] == config["triggers"]["crons"]
    assert dry.document["durableObjectMigrations"] == ["quotas", "usage-shard"]


def test_the_plan_lists_settings_without_secrets(dry: Ran) -> None:
    assert dry.document["secrets"]["set"] == ["CALLER_HASH_SECRET"]
    assert list(dry.document["secrets"]["missing"]) == ["PLATFORM_ANALYTICS_TOKEN"]
    assert dry.document["variables"]["uploaded"] == {
        "X402_NETWORK": "eip155:8453",
        "TENANT_DIRECTORY_JSON": "0 APIs, 15 bytes",
    }
    assert "hidden" not in dry.out + dry.err


def test_the_worker_is_within_the_limits_of_the_free_plan(dry: Ran) -> None:
    measured = {one["what"]: one for one in dry.document["limits"]}
    assert measured["compressed bytes"]["value"] > 50_000
    assert all(one["value"] <= one["free"] for one in measured.values())
    files = [file for file in (HERE.root / "public").rglob("*") if file.is_file()]
    assert dry.document["assets"]["files"] == len(files)


def test_the_old_name_does_the_same(dry: Ran) -> None:
    again = clawr_inside("cloudflare-deploy-dispatcher", *OPTIONS, "--json", settings=SETTINGS)
    assert json.loads(again.out) == dry.document


def test_the_plan_as_text_says_how_to_apply_it() -> None:
    ran = clawr_inside("deploy-dispatcher", *OPTIONS, "--create-missing", settings=SETTINGS)
    assert "KV namespace market-tenants (will be created)" in ran.out
    assert "Not compared with an account" in ran.out
    assert ran.out.rstrip().endswith("Add --execute to apply.")


def test_executing_without_an_account_is_an_error() -> None:
    ran = clawr_inside("deploy-dispatcher", *OPTIONS, "--execute", settings=SETTINGS)
    assert ran.code == 3
    assert "CLOUDFLARE_API_TOKEN not set" in ran.err


def test_deploying_to_make_dev_is_an_error() -> None:
    ran = clawr_inside("deploy-dispatcher", *OPTIONS, "--local")
    assert ran.code == 2
    assert "already runs the dispatcher of this clone" in ran.err


def test_a_missing_required_store_is_reported() -> None:
    ran = clawr_inside("deploy-dispatcher", *OPTIONS[:4], settings=SETTINGS)
    assert ran.code == 4
    assert "clawr kv create market-usage --execute" in ran.err


@pytest.mark.parametrize("option", ["--script-name", "--dispatch-namespace"])
def test_a_missing_required_option_is_reported(option: str) -> None:
    position = OPTIONS.index(option)
    ran = clawr_inside("deploy-dispatcher", *OPTIONS[:position], *OPTIONS[position + 2 :])
    assert ran.code == 2
    assert option in ran.err


def test_settings_stand_for_the_options(dry: Ran) -> None:
    named = {
        "CLAWR_SCRIPT_NAME": OPTIONS[1],
        "CLOUDFLARE_DISPATCH_NAMESPACE": OPTIONS[3],
        "CLOUDFLARE_USAGE_KV_ID": OPTIONS[5],
    }
    again = clawr_inside("deploy-dispatcher", "--json", settings={**SETTINGS, **named})
    assert json.loads(again.out) == dry.document


def test_settings_name_the_directory_and_the_ledger() -> None:
    ids = {"CLOUDFLARE_TENANT_KV_ID": "2" * 32, "CLOUDFLARE_CONTROL_DB_ID": "3" * 32}
    ran = clawr_inside("deploy-dispatcher", *OPTIONS, "--json", settings={**SETTINGS, **ids})
    found = {one["binding"]: one["id"] for one in ran.document["resources"]}
    assert (found["TENANT_KV"], found["CONTROL_DB"]) == ("2" * 32, "3" * 32)


def test_an_option_of_other_versions_is_explained_under_the_old_name() -> None:
    ran = clawr_inside("cloudflare-deploy-dispatcher", *OPTIONS, "--secret-value=swordfish")
    assert ran.code == 2
    assert "--secret-value" in ran.err
    assert "clawr deploy-dispatcher" in ran.err
    assert "CLOUDFLARE_API_TOKEN" in ran.err
    assert "swordfish" not in ran.err
    again = clawr_inside("deploy-dispatcher", *OPTIONS, "--secret-value=swordfish")
    assert (again.code, "The command is now" in again.err) == (2, False)
