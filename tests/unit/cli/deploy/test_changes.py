"""A plan lists every change, and none if nothing changes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from cli.deploy.plan import Plan
from cli.deploy.resources import Origin, Resource
from cli.deploy.settings import Secrets

from .builders import BINDINGS, DEPLOYED, REQUEST, bundle, plan, with_binding


def changes(plan: Plan) -> list[str]:
    return [str(change) for change in plan.changes]


def test_an_unchanged_worker_has_no_changes() -> None:
    assert changes(plan()) == []
    assert not plan().uploads


def test_a_first_deployment_adds_the_worker() -> None:
    assert changes(plan(deployed=None)) == ["+ the Worker market"]


def test_changed_code_is_a_change() -> None:
    assert changes(plan(bundle=bundle("e" * 64))) == ["~ the Worker's code, files or settings"]


def test_secrets_set_by_other_means_are_not_a_change() -> None:
    assert changes(plan(replace(DEPLOYED, source="dash", trigger="secret"))) == []


def test_code_edited_in_the_dashboard_is_a_change() -> None:
    edited = replace(DEPLOYED, source="dash", trigger="upload")
    assert changes(plan(edited)) == ["~ the version uploaded by dash"]


def test_a_gradual_deployment_is_a_change() -> None:
    (change,) = changes(plan(replace(DEPLOYED, share_percent=60)))
    assert change == "~ all traffic to the new version; now version v1 gets 60 %"


@pytest.mark.parametrize(
    ("deployed", "said"),
    [
        (
            with_binding(name="USAGE_KV", type="kv_namespace", namespace_id="9"),
            f"~ USAGE_KV (KV namespace {'1' * 32}); was USAGE_KV (KV namespace 9)",
        ),
        (
            with_binding(name="X402_NETWORK", type="plain_text", text="eip155:84532"),
            "~ X402_NETWORK (variable)",
        ),
        (
            with_binding(name="EXTRA", type="r2_bucket", bucket_name="b"),
            "- EXTRA (r2 bucket)",
        ),
        (
            with_binding(
                name="RATE_10S_1",
                type="ratelimit",
                namespace_id="100001",
                simple={"limit": 2, "period": 10},
            ),
            "~ RATE_10S_1 (1 requests per 10 s); was RATE_10S_1 (2 requests per 10 s)",
        ),
    ],
)
def test_bindings_changed_by_other_means_are_listed(
    deployed: tuple[Mapping[str, Any], ...], said: str
) -> None:
    changed = replace(DEPLOYED, source="api", bindings=deployed)
    assert changes(plan(changed)) == [said]


def test_fields_that_cloudflare_adds_are_not_a_change() -> None:
    database = {"name": "CONTROL_DB", "type": "d1", "database_id": BINDINGS[1]["id"]}
    limit = {**BINDINGS[3], "simple": {"limit": 1, "period": 10, "mitigation_timeout": 0}}
    others = tuple(
        one for one in DEPLOYED.bindings if one["name"] not in ("CONTROL_DB", "RATE_10S_1")
    )
    assert changes(plan(replace(DEPLOYED, source="api", bindings=(*others, database, limit)))) == []


def test_variables_of_the_dashboard_are_kept_by_default() -> None:
    more = with_binding(name="TENANT_DIRECTORY_JSON", type="plain_text", text="{}")
    deployed = replace(DEPLOYED, source="dash", trigger="secret", bindings=more)
    other = bundle("e" * 64)
    assert not any("TENANT" in one for one in changes(plan(deployed, bundle=other)))
    removing = replace(REQUEST, keeps_variables=False)
    assert "- TENANT_DIRECTORY_JSON (variable)" in changes(
        plan(replace(deployed, source="api", trigger=""), bundle=other, request=removing)
    )


def test_changed_schedules_are_listed() -> None:
    assert changes(plan(replace(DEPLOYED, crons=("0 0 * * *",)))) == [
        "+ schedule * * * * *",
        "- schedule 0 0 * * *",
    ]


def test_a_migration_alone_is_a_change_without_an_upload() -> None:
    pending = plan(pending=("0002_more.sql",))
    assert changes(pending) == ["+ database migration 0002_more.sql"]
    assert not pending.uploads


def test_new_classes_of_durable_objects_are_listed_with_their_migration() -> None:
    config = {"migrations": [{"tag": "quotas"}, {"tag": "usage-shard"}]}
    shard = {"name": "USAGE_SHARD", "type": "durable_object_namespace", "class_name": "UsageShard"}
    other = bundle("e" * 64, (*BINDINGS, shard))
    shown = plan(bundle=other, config={**plan().config, **config})
    assert changes(shown) == [
        "+ USAGE_SHARD (Durable Object class UsageShard)",
        "+ Durable Object migration usage-shard",
    ]
    assert shown.uploads
    first = plan(
        replace(DEPLOYED, migration_tag=None), bundle=bundle("e" * 64), config=shown.config
    )
    assert changes(first) == [
        "+ Durable Object migration quotas",
        "+ Durable Object migration usage-shard",
    ]


def test_stores_to_be_created_are_a_change() -> None:
    missing = Resource("TENANT_KV", "KV namespace", "market-tenants", None, Origin.TO_MAKE)
    assert "+ the KV namespace market-tenants" in changes(plan(resources=(missing,)))


def test_set_and_replaced_secrets_are_listed_without_values() -> None:
    fresh = {"PLATFORM_TOKENS": "hidden-1", "CALLER_HASH_SECRET": "hidden-2"}
    shown = changes(plan(secrets=Secrets((), fresh, {}, is_refused=False)))
    assert shown == ["+ secret PLATFORM_TOKENS", "~ secret CALLER_HASH_SECRET"]


def test_a_domain_is_a_change_until_the_worker_has_it() -> None:
    request = replace(REQUEST, domains=("api.example.com",))
    assert any("api.example.com" in one for one in changes(plan(request=request)))
    owned = {"api.example.com": "market"}
    assert changes(plan(request=request, domains=owned)) == []
