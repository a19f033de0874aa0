"""The parts of a deployment: stores, settings, configuration, limits, and what is deployed."""

import json
import re
from dataclasses import replace

import pytest
from rich.console import Console

from cli.deploy import platform_limits
from cli.deploy.configuration import deployment_config, with_digest
from cli.deploy.deployed import applied_migrations, read_deployed
from cli.deploy.execution import check_executable
from cli.deploy.request import WantedStore
from cli.deploy.resources import Origin, find_resources
from cli.deploy.settings import (
    Secrets,
    check_shards,
    chosen_secrets,
    chosen_variables,
    confidential_names,
)
from cli.deploy.show import plan_document, show_plan, shown_text
from cli.errors import InputError, MissingError, NetworkError
from cli.stores import Stores
from dev.launch.config import load_production_config
from dev.launch.settings import SECRETS, VARIABLES
from dev.layout import HERE
from tests.unit.cli.cloud import ACCOUNT, Cloud, refusal, result

from .builders import CONTROL_ID, DEPLOYED, REQUEST, TENANT_ID, USAGE_ID, bundle, plan

WRANGLER_TOML = load_production_config(HERE.wrangler_toml)
SCRIPT = "/workers/scripts/market"


def stores(**found: object) -> Stores:
    """Return the stores of an account that has these, by kind."""
    cloud = Cloud(
        {
            "GET /storage/kv/namespaces": lambda _: result(found.get("kv", [])),
            "GET /d1/database": lambda _: result(found.get("d1", [])),
            "GET /workers/dispatch/namespaces": lambda _: result(found.get("dispatch", [])),
        }
    )
    return Stores(cloud.client(), ACCOUNT)


def test_every_documented_setting_is_known() -> None:
    page = (HERE.root / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    _, _, table = page.partition("| setting |")
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    named = {name: "(secret)" in row for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row)}
    del named["DRAIN_UPLOADS"]
    assert {name for name, is_secret in named.items() if is_secret} == set(SECRETS)
    assert {name for name, is_secret in named.items() if not is_secret} == set(VARIABLES)


def test_a_given_store_comes_before_a_bound_one_and_one_found_by_name() -> None:
    account = stores(
        kv=[{"id": USAGE_ID, "title": "a"}, {"id": TENANT_ID, "title": "market-tenants"}],
        d1=[{"uuid": CONTROL_ID, "name": "b"}],
        dispatch=[{"namespace_name": "market"}],
    )
    found = find_resources(REQUEST, account, DEPLOYED)
    assert [(one.id, one.origin) for one in found] == [
        (USAGE_ID, Origin.GIVEN),
        (TENANT_ID, Origin.FOUND),
        (CONTROL_ID, Origin.BOUND),
        ("market", Origin.GIVEN),
    ]


def test_every_missing_store_is_reported_with_the_command_that_creates_it() -> None:
    request = replace(REQUEST, usage_kv=WantedStore(None, "market-usage"))
    with pytest.raises(MissingError) as caught:
        find_resources(request, stores(), None)
    said = " ".join(map(str, caught.value.findings))
    assert "clawr kv create market-usage --execute" in said
    assert "clawr namespace create market --execute" in said
    assert "--create-missing" in caught.value.advice


def test_an_unknown_id_is_rejected() -> None:
    with pytest.raises(MissingError) as caught:
        find_resources(REQUEST, stores(dispatch=[{"namespace_name": "market"}]), None)
    assert USAGE_ID in str(caught.value.findings[0])


def test_without_an_account_ids_are_not_checked() -> None:
    found = find_resources(REQUEST, None, None)
    assert [one.origin for one in found] == [
        *(Origin.GIVEN, Origin.LEFT_OUT, Origin.LEFT_OUT, Origin.GIVEN)
    ]


def test_the_configuration_is_wrangler_toml_with_names_and_ids() -> None:
    resources = find_resources(replace(REQUEST, creates_missing=True), None, None)
    config = deployment_config(WRANGLER_TOML, REQUEST, resources, {"X402_NETWORK": "base"})
    assert config["name"] == "market"
    assert config["kv_namespaces"][0] == {"binding": "USAGE_KV", "id": USAGE_ID}
    assert config["d1_databases"][0]["database_name"] == "market-control"
    assert config["dispatch_namespaces"] == [{"binding": "DISPATCHER", "namespace": "market"}]
    assert config["keep_vars"] is True
    same = ("main", "compatibility_date", "compatibility_flags", "assets", "triggers", "migrations")
    assert all(config[name] == WRANGLER_TOML[name] for name in (*same, "ratelimits"))
    assert with_digest(config, "abc")["vars"] == {"X402_NETWORK": "base", "CLAWR_DIGEST": "abc"}


def test_bindings_to_stores_that_are_left_out_are_removed() -> None:
    config = deployment_config(WRANGLER_TOML, REQUEST, find_resources(REQUEST, None, None), {})
    assert [one["binding"] for one in config["kv_namespaces"]] == ["USAGE_KV"]
    assert config["d1_databases"] == []


def test_existing_domains_are_kept_when_one_is_added() -> None:
    request = replace(REQUEST, domains=("b.example.com",), routes=("example.com/api/*",))
    resources = find_resources(request, None, None)
    config = deployment_config(WRANGLER_TOML, request, resources, {}, ["a.example.com"])
    assert config["routes"] == [
        "example.com/api/*",
        {"pattern": "a.example.com", "custom_domain": True},
        {"pattern": "b.example.com", "custom_domain": True},
    ]
    without = deployment_config(WRANGLER_TOML, REQUEST, resources, {}, ["a.example.com"])
    assert "routes" not in without


def test_existing_secrets_are_kept_unless_they_are_replaced() -> None:
    settings = {"CALLER_HASH_SECRET": "new", "PLATFORM_TOKENS": "[]"}
    there = frozenset({"CALLER_HASH_SECRET", "OTHER"})
    chosen = chosen_secrets(settings, there, frozenset())
    assert (chosen.kept, chosen.fresh) == (
        ("CALLER_HASH_SECRET", "OTHER"),
        {"PLATFORM_TOKENS": "[]"},
    )
    replaced = chosen_secrets(settings, there, frozenset({"CALLER_HASH_SECRET"}))
    assert replaced.fresh["CALLER_HASH_SECRET"] == "new"
    assert replaced.kept == ("OTHER",)


def test_a_missing_secret_is_reported_with_advice() -> None:
    chosen = chosen_secrets({}, frozenset(), frozenset())
    assert list(chosen.advice) == ["CALLER_HASH_SECRET", "PLATFORM_ANALYTICS_TOKEN"]
    assert "openssl rand" in chosen.advice["CALLER_HASH_SECRET"]
    with pytest.raises(InputError, match="CALLER_HASH_SECRET is not set"):
        check_executable(plan(secrets=chosen))


def test_secrets_that_facilitators_name_are_set_or_reported_as_missing() -> None:
    listed = [
        {"url": "https://a.example", "auth": {"bearer": "KEY_A"}},
        {"url": "https://b.example", "auth": {"headers": {"x-key": "KEY_B", "x-id": "KEY_C"}}},
        {"url": "https://c.example", "auth": {"headers": {"settle": {"x-key": "KEY_D"}}}},
        {"url": "https://d.example", "auth": {"coinbase": {"keyId": "ID", "keySecret": "PEM"}}},
    ]
    given = {"KEY_A": "a", "CALLER_HASH_SECRET": "x", "PEM": "several\nlines"}
    settings = {"FACILITATORS": json.dumps(listed), **given}
    chosen = chosen_secrets(settings, frozenset({"KEY_B", "PLATFORM_TOKENS"}), frozenset())
    assert chosen.fresh == given
    assert "wrangler secret put" in chosen.advice["KEY_C"]
    assert [*chosen.advice] == ["KEY_C", "KEY_D", "ID"]
    assert not chosen.is_refused
    names = {"KEY_A", "KEY_B", "KEY_C", "KEY_D", "ID", "PEM", "X402_RPC_URL"}
    assert names <= {*confidential_names(settings)}
    with pytest.raises(InputError, match="FACILITATORS is unusable"):
        chosen_secrets({"FACILITATORS": "{"}, frozenset(), frozenset())


def test_platform_tokens_replace_the_analytics_token() -> None:
    chosen = chosen_secrets(
        {"CALLER_HASH_SECRET": "x", "PLATFORM_TOKENS": "[]"}, frozenset(), frozenset()
    )
    assert chosen.advice == {}


def test_a_secret_to_replace_must_be_known_and_have_a_value() -> None:
    with pytest.raises(InputError, match="X402_NETWORK"):
        chosen_secrets({}, frozenset(), frozenset({"X402_NETWORK"}))
    with pytest.raises(InputError, match="PLATFORM_TOKENS is not set"):
        chosen_secrets({}, frozenset(), frozenset({"PLATFORM_TOKENS"}))


def test_a_variable_that_is_deployed_as_a_secret_is_left_out() -> None:
    settings = {"X402_RPC_URL": "https://node", "X402_NETWORK": "base", "HOME": "/home"}
    chosen = chosen_variables(settings, {"LOG": "x"}, frozenset({"X402_RPC_URL"}))
    assert chosen == {"LOG": "x", "X402_NETWORK": "base"}


@pytest.mark.parametrize(
    ("wanted", "deployed"), [(None, None), ("1", None), ("8", "2"), ("64", "64"), ("2", "none")]
)
def test_shards_may_be_added(wanted: str | None, deployed: str | None) -> None:
    check_shards(wanted, deployed)


@pytest.mark.parametrize("wanted", ["0", "65", "two", "-1", "1.5", ""])
def test_an_unusable_number_of_shards_is_rejected(wanted: str) -> None:
    with pytest.raises(InputError, match="USAGE_SHARDS"):
        check_shards(wanted, None)


@pytest.mark.parametrize("wanted", ["1", "7", None])
def test_shards_are_never_removed(wanted: str | None) -> None:
    with pytest.raises(InputError, match="has 8 shards"):
        check_shards(wanted, "8")


@pytest.mark.parametrize("name", ["Market", "", "a b"])
def test_invalid_names_are_rejected(name: str) -> None:
    with pytest.raises(InputError):
        replace(REQUEST, script_name=name)


def test_an_invalid_id_is_rejected() -> None:
    with pytest.raises(InputError, match="is not the id"):
        replace(REQUEST, usage_kv=WantedStore("../x", "market-usage"))


def test_exceeded_limits_are_reported_before_the_upload() -> None:
    texts = bundle(bindings=({"name": "A", "type": "plain_text", "text": "x" * 5_001},))
    with pytest.raises(InputError, match="5,001 bytes of the longest variable, at most 5,000"):
        check_executable(plan(bundle=texts))
    large = replace(bundle(), compressed_bytes=platform_limits.COMPRESSED_BYTES_PAID + 1)
    with pytest.raises(InputError, match="compressed bytes"):
        check_executable(plan(bundle=large))


def test_a_plan_shows_no_secrets_not_even_in_urls() -> None:
    variables = (
        {"name": "X402_RPC_URL", "type": "plain_text", "text": "https://node.example/v2/hidden"},
        {"name": "FACILITATOR_URL", "type": "plain_text", "text": "https://u:hidden@f.example"},
    )
    secrets = Secrets((), {"CALLER_HASH_SECRET": "hidden"}, {}, is_refused=False)
    shown = plan(bundle=bundle(bindings=variables), secrets=secrets)
    console = Console(record=True, width=200)
    show_plan(shown, console)
    text = console.export_text() + json.dumps(plan_document(shown))
    assert "hidden" not in text
    assert "https://node.example/…" in text


def test_a_directory_variable_is_shown_as_its_size() -> None:
    assert shown_text("TENANT_DIRECTORY_JSON", '{"tenants": [{}, {}]}') == "2 APIs, 21 bytes"


def test_the_active_version_is_read_not_the_newest() -> None:
    versions = [{"version_id": "old", "percentage": 90}, {"version_id": "new", "percentage": 10}]
    cloud = Cloud(
        {
            f"GET {SCRIPT}/deployments": lambda _: result(
                {"deployments": [{"id": "1", "versions": versions}]}
            ),
            f"GET {SCRIPT}/versions/old": lambda _: result(
                {
                    "metadata": {"source": "wrangler", "created_on": "2026-11-23T00:00:00Z"},
                    "annotations": {"workers/triggered_by": "upload"},
                    "resources": {
                        "bindings": list(DEPLOYED.bindings),
                        "script_runtime": {"migration_tag": "quotas"},
                    },
                }
            ),
            f"GET {SCRIPT}/schedules": lambda _: result({"schedules": [{"cron": "* * * * *"}]}),
            f"GET {SCRIPT}/secrets": lambda _: result([{"name": "S", "type": "secret_text"}]),
        }
    )
    found = read_deployed(cloud.client(), ACCOUNT, "market")
    assert found == replace(DEPLOYED, version_id="old", share_percent=90, secrets=frozenset({"S"}))


def test_a_missing_worker_is_none_and_a_missing_account_is_an_error() -> None:
    absent = Cloud({f"GET {SCRIPT}/deployments": lambda _: refusal(404, 10007, "no such Worker")})
    assert read_deployed(absent.client(), ACCOUNT, "market") is None
    wrong = Cloud({f"GET {SCRIPT}/deployments": lambda _: refusal(404, 7003, "no such account")})
    with pytest.raises(MissingError, match="no such account"):
        read_deployed(wrong.client(), ACCOUNT, "market")


def test_a_failure_names_the_operation() -> None:
    broken = Cloud({f"GET {SCRIPT}/deployments": lambda _: refusal(503, 10013, "later")})
    with pytest.raises(NetworkError, match="reading the deployments of market"):
        read_deployed(broken.client(), ACCOUNT, "market")


def test_a_database_without_a_migrations_table_has_none() -> None:
    key = f"POST /d1/database/{CONTROL_ID}/query"
    cloud = Cloud({key: lambda _: result([{"results": [], "success": True, "meta": {}}])})
    assert applied_migrations(cloud.client(), ACCOUNT, CONTROL_ID) == frozenset()
    assert len(cloud.asked) == 1
