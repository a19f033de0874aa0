"""Stores, settings, configuration and figures of a deployment, each by itself."""

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
from cli.deploy.settings import SECRETS, VARIABLES, Secrets, chosen_secrets, chosen_variables
from cli.deploy.show import plan_document, show_plan, shown_text
from cli.errors import InputError, MissingError, NetworkError
from cli.stores import Stores
from dev.launch.config import load_production_config
from dev.layout import HERE

from .cloud import ACCOUNT, Cloud, refusal, result
from .deploying import CONTROL_ID, DEPLOYED, REQUEST, TENANT_ID, USAGE_ID, bundle, plan

WRANGLER_TOML = load_production_config(HERE.wrangler_toml)
SCRIPT = "/workers/scripts/market"


def stores(**found: object) -> Stores:
    """Return an account with these stores, by kind."""
    cloud = Cloud(
        {
            "GET /storage/kv/namespaces": lambda _: result(found.get("kv", [])),
            "GET /d1/database": lambda _: result(found.get("d1", [])),
            "GET /workers/dispatch/namespaces": lambda _: result(found.get("dispatch", [])),
        }
    )
    return Stores(cloud.client(), ACCOUNT)


def test_every_setting_of_the_reference_is_known() -> None:
    page = (HERE.root / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    _, _, table = page.partition("| setting |")
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    named = {name: "(secret)" in row for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row)}
    del named["DRAIN_UPLOADS"]
    assert {name for name, is_secret in named.items() if is_secret} == set(SECRETS)
    assert {name for name, is_secret in named.items() if not is_secret} == set(VARIABLES)


def test_a_store_is_the_one_given_then_the_one_bound_then_the_one_with_the_name() -> None:
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


def test_everything_that_is_missing_is_named_with_what_makes_it() -> None:
    request = replace(REQUEST, usage_kv=WantedStore(None, "market-usage"))
    with pytest.raises(MissingError) as caught:
        find_resources(request, stores(), None)
    said = " ".join(map(str, caught.value.findings))
    assert "clawr kv create market-usage --execute" in said
    assert "clawr namespace create market --execute" in said
    assert "--create-missing" in caught.value.advice


def test_an_id_that_the_account_does_not_have_is_refused() -> None:
    with pytest.raises(MissingError) as caught:
        find_resources(REQUEST, stores(dispatch=[{"namespace_name": "market"}]), None)
    assert USAGE_ID in str(caught.value.findings[0])


def test_without_an_account_ids_are_believed_and_optional_stores_left_out() -> None:
    found = find_resources(REQUEST, None, None)
    assert [one.origin for one in found] == [
        *(Origin.GIVEN, Origin.LEFT_OUT, Origin.LEFT_OUT, Origin.GIVEN)
    ]


def test_the_configuration_has_the_names_and_ids_and_is_wrangler_toml_otherwise() -> None:
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


def test_bindings_of_stores_that_are_left_out_are_left_out() -> None:
    config = deployment_config(WRANGLER_TOML, REQUEST, find_resources(REQUEST, None, None), {})
    assert [one["binding"] for one in config["kv_namespaces"]] == ["USAGE_KV"]
    assert config["d1_databases"] == []


def test_domains_that_are_the_workers_own_stay_when_others_come() -> None:
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


def test_secrets_that_are_set_are_kept_unless_they_are_to_be_replaced() -> None:
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


def test_a_secret_that_is_missing_is_named_with_what_to_do() -> None:
    chosen = chosen_secrets({}, frozenset(), frozenset())
    assert list(chosen.advice) == ["CALLER_HASH_SECRET", "PLATFORM_ANALYTICS_TOKEN"]
    assert "openssl rand" in chosen.advice["CALLER_HASH_SECRET"]
    with pytest.raises(InputError, match="CALLER_HASH_SECRET is not set"):
        check_executable(plan(secrets=chosen))


def test_tokens_by_name_are_enough_to_read_figures() -> None:
    chosen = chosen_secrets(
        {"CALLER_HASH_SECRET": "x", "PLATFORM_TOKENS": "[]"}, frozenset(), frozenset()
    )
    assert chosen.advice == {}


def test_a_secret_to_be_replaced_must_be_one_and_be_given() -> None:
    with pytest.raises(InputError, match="X402_NETWORK"):
        chosen_secrets({}, frozenset(), frozenset({"X402_NETWORK"}))
    with pytest.raises(InputError, match="PLATFORM_TOKENS is not set"):
        chosen_secrets({}, frozenset(), frozenset({"PLATFORM_TOKENS"}))


def test_a_variable_that_is_deployed_as_a_secret_stays_one() -> None:
    settings = {"X402_RPC_URL": "https://node", "X402_NETWORK": "base", "HOME": "/home"}
    chosen = chosen_variables(settings, {"LOG": "x"}, frozenset({"X402_RPC_URL"}))
    assert chosen == {"LOG": "x", "X402_NETWORK": "base"}


@pytest.mark.parametrize("name", ["Market", "", "a b"])
def test_names_that_cloudflare_refuses_are_refused_first(name: str) -> None:
    with pytest.raises(InputError):
        replace(REQUEST, script_name=name)


def test_an_id_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(InputError, match="is not the id"):
        replace(REQUEST, usage_kv=WantedStore("../x", "market-usage"))


def test_too_much_for_any_plan_is_refused_before_the_upload() -> None:
    texts = bundle(bindings=({"name": "A", "type": "plain_text", "text": "x" * 5_001},))
    with pytest.raises(InputError, match="5,001 bytes of the longest variable, at most 5,000"):
        check_executable(plan(bundle=texts))
    large = replace(bundle(), compressed_bytes=platform_limits.COMPRESSED_BYTES_PAID + 1)
    with pytest.raises(InputError, match="compressed bytes"):
        check_executable(plan(bundle=large))


def test_no_plan_shows_the_text_of_a_secret_or_what_may_be_one_in_a_url() -> None:
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


def test_a_directory_is_shown_by_its_size() -> None:
    assert shown_text("TENANT_DIRECTORY_JSON", '{"tenants": [{}, {}]}') == "2 APIs, 21 bytes"


def test_the_version_that_serves_is_read_and_not_the_newest() -> None:
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
                    "resources": {"bindings": list(DEPLOYED.bindings)},
                }
            ),
            f"GET {SCRIPT}/schedules": lambda _: result({"schedules": [{"cron": "* * * * *"}]}),
            f"GET {SCRIPT}/secrets": lambda _: result([{"name": "S", "type": "secret_text"}]),
        }
    )
    found = read_deployed(cloud.client(), ACCOUNT, "market")
    assert found == replace(DEPLOYED, version_id="old", share_percent=90, secrets=frozenset({"S"}))


def test_a_worker_that_does_not_exist_is_none_and_an_account_that_does_not_is_an_error() -> None:
    absent = Cloud({f"GET {SCRIPT}/deployments": lambda _: refusal(404, 10007, "no such Worker")})
    assert read_deployed(absent.client(), ACCOUNT, "market") is None
    wrong = Cloud({f"GET {SCRIPT}/deployments": lambda _: refusal(404, 7003, "no such account")})
    with pytest.raises(MissingError, match="no such account"):
        read_deployed(wrong.client(), ACCOUNT, "market")


def test_a_failure_while_reading_says_what_was_read() -> None:
    broken = Cloud({f"GET {SCRIPT}/deployments": lambda _: refusal(503, 10013, "later")})
    with pytest.raises(NetworkError, match="reading the deployments of market"):
        read_deployed(broken.client(), ACCOUNT, "market")


def test_a_database_without_a_list_of_migrations_has_none() -> None:
    key = f"POST /d1/database/{CONTROL_ID}/query"
    cloud = Cloud({key: lambda _: result([{"results": [], "success": True, "meta": {}}])})
    assert applied_migrations(cloud.client(), ACCOUNT, CONTROL_ID) == frozenset()
    assert len(cloud.asked) == 1
