"""Directory records: which are valid, and the reasons for rejecting others."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from core.constants import PLAN_LIMITS, ScriptLimits
from core.errors import ConfigurationError, RecordRefused
from dev.layout import HERE
from tenants.records import normal_host, parse_directory, parse_tenant

REQUIRED: dict[str, Any] = {"slug": "weather", "tenantId": "tenant-1", "workerName": "weather-v2"}


def reasons(**fields: object) -> list[str]:
    """The reasons for rejecting a record with these fields."""
    with pytest.raises(RecordRefused) as caught:
        parse_tenant({**REQUIRED, **fields}, "tenants[0]")
    return list(caught.value.reasons)


def test_a_record_with_only_required_fields_is_unpriced_and_on_the_free_plan() -> None:
    tenant = parse_tenant(REQUIRED, "tenants[0]")
    assert (tenant.plan, tenant.limits, tenant.price_micros) == ("free", ScriptLimits(50, 10), 0)
    assert (tenant.hosts, tenant.owner, tenant.directory) == ((), "", "")
    assert tenant.x402_enabled is False


@pytest.mark.parametrize("plan", PLAN_LIMITS)
def test_a_record_overrides_single_limits_of_its_plan(plan: str) -> None:
    assert parse_tenant({**REQUIRED, "plan": plan}, "r").limits == PLAN_LIMITS[plan]
    own = parse_tenant({**REQUIRED, "plan": plan, "limits": {"cpuMs": 77}}, "r").limits
    assert own == (77, PLAN_LIMITS[plan].sub_requests)


@pytest.mark.parametrize(
    ("price", "micros"),
    [
        (0, 0),
        (1, 1_000_000),
        (0.001, 1_000),
        (1e-06, 1),
        (0.1, 100_000),
        ("0.000001", 1),
        ("0.10000000", 100_000),
        ("10000", 10_000_000_000),
        (1234.56, 1_234_560_000),
        (None, 0),
    ],
)
def test_prices_are_exact_to_the_micro_dollar(price: object, micros: int) -> None:
    assert parse_tenant({**REQUIRED, "priceUsd": price}, "r").price_micros == micros


@pytest.mark.parametrize(
    "price",
    [
        *(-1, -0.01, 10_001, 10**400),
        *(1e-07, 1e-13, 5e-324, 1e300, float("nan"), float("inf"), -0.0),
        *("0.0000001", "1e-3", "", "free", "1,5", "-0", "٣", "1_0", " 1", "1\n", "0x1", "NaN"),
        *(True, False, [], {}),
    ],
)
def test_an_invalid_price_is_rejected(price: object) -> None:
    (reason,) = reasons(priceUsd=price)
    assert reason.startswith("priceUsd must be an amount from 0 to 10000 with at most 6 decimals")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "Weather"),
        ("slug", "we/ather"),
        ("slug", "-weather"),
        ("slug", ""),
        ("slug", None),
        ("slug", 7),
        ("slug", "x" * 64),
        ("tenantId", None),
        ("tenantId", "two words"),
        ("tenantId", "a\r\nset-cookie: b"),
        ("workerName", None),
        ("workerName", "../other"),
        ("plan", "platinum"),
        ("plan", ["free"]),
        ("hosts", "api.example.com"),
        ("hosts", ["https://api.example.com"]),
        ("hosts", ["api.example.com:8080"]),
        ("hosts", ["api.example.com/path"]),
        ("hosts", ["api..example.com"]),
        ("hosts", [7]),
        ("limits", {"cpuMs": 0}),
        ("limits", {"cpuMs": "50"}),
        ("limits", {"subRequests": True}),
        ("limits", [50, 10]),
        ("x402Enabled", "yes"),
        ("owner", "a\nb"),
        ("owner", 7),
        ("directory", "x" * 201),
        ("description", "x" * 2_001),
    ],
)
def test_an_invalid_field_is_named(field: str, value: object) -> None:
    (reason,) = reasons(**{field: value})
    assert reason.startswith(f"{field} must be ")
    assert "\n" not in reason


def test_all_reasons_are_given_at_once() -> None:
    assert len(reasons(slug="B", plan="gold", priceUsd=-1)) == 3


def test_a_rejection_names_the_record_by_place_and_slug() -> None:
    with pytest.raises(RecordRefused, match=r"^tenants\[3\] \(slug 'weather'\): plan must be"):
        parse_tenant({**REQUIRED, "plan": "gold"}, "tenants[3]")


def test_owner_falls_back_to_the_owners_user_id() -> None:
    assert parse_tenant({**REQUIRED, "ownerUserId": "u_1"}, "r").owner == "u_1"
    assert parse_tenant({**REQUIRED, "owner": "@a", "ownerUserId": "u_1"}, "r").owner == "@a"


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("API.Example.COM", "api.example.com"),
        ("api.example.com.", "api.example.com"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("localhost", "localhost"),
    ],
)
def test_hosts_are_normalized(name: str, normal: str) -> None:
    assert normal_host(name) == normal


@pytest.mark.parametrize(
    "name",
    ["", ".", "a b", "a_:1", "[::1]", "-a.example", "a" * 64, "a." * 127 + "aa", "%61.example"],
)
def test_an_invalid_host_name_is_rejected(name: str) -> None:
    with pytest.raises(ValueError, match=r"host name|label"):
        normal_host(name)


def test_invalid_records_do_not_affect_others() -> None:
    records = [REQUIRED, {"slug": "b"}, None, {**REQUIRED, "slug": "c"}]
    directory = parse_directory(json.dumps({"tenants": records}))
    assert list(directory.by_slug) == ["weather", "c"]
    assert [error.record for error in directory.refused] == ["tenants[1] (slug 'b')", "tenants[2]"]


def test_the_second_use_of_a_slug_or_host_is_rejected() -> None:
    one = {**REQUIRED, "hosts": ["a.example"]}
    records = [one, {**REQUIRED}, {**one, "slug": "b", "hosts": ["A.example"]}]
    directory = parse_directory(json.dumps({"tenants": records}))
    assert [error.reasons[0] for error in directory.refused] == [
        "another record has the same slug",
        "'weather' already has the host 'a.example'",
    ]
    assert directory.by_host["a.example"].slug == "weather"


def test_the_older_document_shape_is_accepted() -> None:
    maps = {"tenantId": "tenant-2", "workerName": "maps"}
    document = {
        "bySlug": {"weather": {"tenantId": "tenant-1", "workerName": "weather-v2"}, "maps": maps},
        "byHost": {
            "maps.example": {"slug": "maps", **maps},
            "fx.example": {**REQUIRED, "slug": "fx"},
        },
    }
    directory = parse_directory(json.dumps(document))
    assert not directory.refused
    assert set(directory.by_slug) == {"weather", "maps", "fx"}
    assert directory.by_host["maps.example"] is directory.by_slug["maps"]
    assert directory.by_host["fx.example"].slug == "fx"


def test_an_invalid_record_of_the_older_shape_is_named_by_its_key() -> None:
    directory = parse_directory('{"bySlug": {"Bad": {}, "worse": 7}}')
    assert [error.record for error in directory.refused] == [
        "bySlug['worse']",
        "bySlug['Bad'] (slug 'Bad')",
    ]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"tenants": {}}', '{"bySlug": []}', '"tenants"', "null"]
)
def test_a_document_that_is_not_a_directory_is_a_configuration_error(text: str) -> None:
    with pytest.raises(ConfigurationError, match="TENANT_DIRECTORY_JSON"):
        parse_directory(text)


# Unknown fields.


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"paymentMode": "required"}, "paymentMode"),
        ({"requirePayment": True}, "requirePayment"),
        ({"spendCaps": {"daily": 5}}, "spendCaps"),
        ({"priceUSD": 1}, "priceUSD"),
        ({"price_usd": 1}, "price_usd"),
        ({"PriceUsd": None}, "PriceUsd"),
        ({"X402_ENABLED": True}, "X402_ENABLED"),
        ({"payto": "0x1", "pay_to": "0x1"}, "pay_to"),
        ({"maxRequestsPerMinute": 5}, "maxRequestsPerMinute"),
        ({"billing": {"plan": "gold"}}, "billing"),
        ({"settings": {"gateway": [{"rateLimits": 5}]}}, "settings.gateway.rateLimits"),
        (
            {"rateLimit": {"requests": 5, "windowSeconds": 60, "perCaller": True}},
            "rateLimit.perCaller",
        ),
        ({"limits": {"cpu_ms": 50}}, "limits.cpu_ms"),
        ({"limits": {"cpuMs": 50, "subrequests": 5}}, "limits.subrequests"),
        ({"usageLimit": {"dailyRequests": 5, "hourlyRequests": 1}}, "usageLimit.hourlyRequests"),
        ({"spendLimit": {"dailySpendUsd": 5, "hard": True}}, "spendLimit.hard"),
    ],
)
def test_an_unknown_field_that_may_mean_money_or_a_limit_is_named(
    given: dict[str, Any], path: str
) -> None:
    (reason,) = reasons(**given)
    assert reason.startswith(f"{path} must be left out: ")


def test_other_unknown_fields_are_listed_and_the_record_works() -> None:
    given = {"comment": "x", "support": {"mail": "a@b.example"}, "corporate": True, "rating": 5}
    tenant = parse_tenant({**REQUIRED, **given}, "r")
    assert tenant.unknown_fields == ["comment", "support", "corporate", "rating"]
    assert parse_tenant(REQUIRED, "r").unknown_fields == []


@pytest.mark.parametrize("other", [-1, False, "", [], None])
def test_only_zero_means_the_plans_sub_requests(other: object) -> None:
    assert reasons(limits={"subRequests": other})


def test_no_sub_requests_means_the_plans_limit() -> None:
    limits = parse_tenant({**REQUIRED, "limits": {"subRequests": 0}}, "r").limits
    assert limits == PLAN_LIMITS["free"]
    assert reasons(limits={"cpuMs": 0})


@pytest.mark.parametrize(
    "document",
    [
        {"tenants": [{"tenantId": "a"}, {"tenantId": "b"}]},
        {"byHost": {"a.example": {"tenantId": "a"}, "b.example": {"tenantId": "b"}}},
        {"byHost": {"a.example": {"slug": None}, "b.example": {"slug": 5}}},
        {"bySlug": {"a": {"slug": None}, "b": {"slug": []}}},
    ],
)
def test_each_record_without_a_slug_has_its_own_message(document: dict[str, Any]) -> None:
    refused = parse_directory(json.dumps(document)).refused
    assert len({error.record for error in refused}) == 2
    assert all("slug must be" in str(error) for error in refused)


def test_the_records_in_the_reference_are_usable() -> None:
    text = (HERE.root / "docs/reference/directory.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```json\n(.+?)^```", text, re.MULTILINE | re.DOTALL)
    assert [parse_tenant(json.loads(example), "r").slug for example in examples] == ["rates"]
