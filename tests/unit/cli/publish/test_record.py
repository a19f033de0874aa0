"""The directory record is built from options and a file; mistakes are reported with their place."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.errors import InputError
from cli.publish.record import Asked, RecordOptions, checked_record
from tenants.records import FIELDS, parse_tenant
from tests.unit.payments.test_solana_offers import UNUSABLE

OF_FILES: dict[str, Any] = {
    "slug": "b",
    "accepts": [{"network": "base"}],
    "chargeRedirects": True,
    "requirePaymentIdentifier": True,
    "example": {"a": 1},
    "inputSchema": {"type": "object"},
    "methods": ["GET"],
    "mimeType": "application/json",
    "outputSchema": {"type": "object"},
    "tags": ["a"],
    "title": "A",
}
"""Fields that only a file sets."""


def options(rate: str | None = None, file: Path | None = None, **fields: Any) -> Asked:
    pairs: dict[str, Any] = {
        name: fields.pop(name) for name in ("limits", "usageLimit") if name in fields
    }
    return RecordOptions(fields, pairs, rate, file, fields.pop("routes", ())).read()


def findings(asked: Asked) -> list[str]:
    with pytest.raises(InputError) as raised:
        checked_record(asked)
    return [str(one) for one in raised.value.findings]


def test_only_the_slug_is_required() -> None:
    record, tenant = checked_record(options(slug="airports"))
    assert record == {"slug": "airports", "tenantId": "ten_airports", "workerName": "airports"}
    assert not tenant.is_priced


def test_a_price_requires_payment_unless_it_is_disabled() -> None:
    assert checked_record(options(slug="a", priceUsd="0.001"))[1].price_micros == 1_000
    assert checked_record(options(slug="a", priceUsd="0.001"))[1].is_priced
    assert not checked_record(options(slug="a", priceUsd="0.001", x402Enabled=False))[1].is_priced


def test_every_field_of_a_record_can_be_set(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    file.write_text(json.dumps({"spendLimit": {"dailySpendUsd": 5}, "plan": "pro", **OF_FILES}))
    record, tenant = checked_record(
        options(
            "100/60s",
            file,
            slug="a",
            tenantId="t",
            workerName="w",
            owner="@ada",
            ownerUserId="u",
            directory="Travel",
            hosts=["Bücher.example.", "a.example"],
            priceUsd="0.5",
            payTo="0x" + "1" * 40,
            paymentNetwork="eip155:84532",
            description="d",
            limits={"cpuMs": 10, "subRequests": None},
            usageLimit={"dailyRequests": 5, "monthlyRequests": None},
            routes=["GET /health=0", "/x/*=0.02"],
        )
    )
    assert set(record) == FIELDS
    assert record["hosts"] == ["xn--bcher-kva.example", "a.example"]
    assert (record["slug"], record["plan"]) == ("a", "pro")
    assert record["limits"] == {"cpuMs": 10}
    assert parse_tenant(record, "again") == tenant


def test_every_mistake_is_reported_with_its_option_or_line(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    file.write_text(
        '{\n "plan": "gold",\n "colour": 1,\n "x402Enabled": "yes",\n "plan": "gold"\n}'
    )
    told = findings(options("5/7", file, slug="Bad Slug", priceUsd="-1"))
    assert [one.split(" must", 1)[0] for one in told] == [
        "--rate-limit:",
        "record.json:5: 'plan' is already set in line 2",
        "record.json:3: unknown field 'colour'",
        "--slug: slug",
        "record.json:5: plan",
        "--price: priceUsd",
        "record.json:4: x402Enabled",
    ]


def test_a_missing_slug_is_the_only_mistake_reported() -> None:
    assert len(findings(options())) == 1


@pytest.mark.parametrize("text", ["[1]", '{"a"', '{"slug": "a"} more', ""])
def test_a_file_without_a_json_object_is_rejected(tmp_path: Path, text: str) -> None:
    file = tmp_path / "record.json"
    file.write_text(text)
    assert findings(options(file=file, slug="a"))[0].startswith("record.json:1: not a JSON object")


def test_paths_are_free_if_the_api_has_a_price_and_no_routes_of_its_own() -> None:
    paths = ("/health",)
    free = {"method": "GET", "path": "/health", "priceUsd": 0}
    assert checked_record(options(slug="a", priceUsd="1"), {}, paths)[0]["routes"] == [free]
    assert "routes" not in checked_record(options(slug="a"), {}, paths)[0]
    own = options(slug="a", priceUsd="1", routes=["/x=2"])
    assert checked_record(own, {}, paths)[0]["routes"] == [{"path": "/x", "priceUsd": "2"}]


@pytest.mark.parametrize("text", ["/x", "x=1", "get /x=1", "GET/x=1", "=1", "/x="])
def test_an_unusable_route_is_reported(text: str) -> None:
    (first, *_) = findings(options(slug="a", routes=[text]))
    assert first.startswith("--route: must be [METHOD ]PATH=PRICE")


def test_a_part_of_a_field_is_reported_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    file.write_text('{\n "slug": "a",\n "routes": [{"path": "/x"}]\n}')
    assert findings(options(file=file)) == [
        "record.json:3: routes[0].priceUsd must be set; 0 is free, is null"
    ]


@pytest.mark.parametrize(("accepts", "fields", "message"), UNUSABLE)
def test_an_unusable_way_to_pay_is_reported_with_its_line(
    tmp_path: Path, accepts: list[Any], fields: dict[str, Any], message: str
) -> None:
    file = tmp_path / "record.json"
    record = {"slug": "a", "priceUsd": "0.01", **fields, "accepts": accepts}
    file.write_text(json.dumps(record, indent=1))
    line = 1 + [*record].index("accepts") + 1
    found = findings(options(file=file))
    assert any(text.startswith(f"record.json:{line}: ") and message in text for text in found), (
        found
    )
