"""`PAYMENTS=1` and the options of `make pay`."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dev.economy.__main__ import DEFAULT_API, read_request
from dev.economy.pay import PaidRequest, Requirements, Way, dollars, find_problem
from dev.economy.payer import Purchase
from dev.economy.wallets import BUYER
from dev.errors import UsageError
from dev.launch.payments import check_payments, payment_examples, with_priced_apis
from dev.layout import HERE

DEMO = HERE.root / "dev" / "demo"
URL = "http://localhost:8787"


@pytest.mark.parametrize(("text", "expected"), [("1", True), ("0", False), ("", False)])
def test_payments_are_on_with_one(text: str, expected: bool) -> None:
    assert check_payments(text) is expected


def test_any_other_value_is_rejected() -> None:
    with pytest.raises(UsageError, match="use PAYMENTS=1"):
        check_payments("yes")


def test_priced_apis_are_appended_to_the_free_ones() -> None:
    free = json.loads((DEMO / "tenants.json").read_text())["tenants"]
    both = json.loads(with_priced_apis((DEMO / "tenants.json").read_text(), DEMO / "priced.json"))[
        "tenants"
    ]
    assert both[: len(free)] == free
    assert not any(tenant["x402Enabled"] for tenant in free)
    assert all(tenant["x402Enabled"] and tenant["priceUsd"] for tenant in both[len(free) :])
    assert len({tenant["slug"] for tenant in both}) == len(both)


def test_every_priced_api_has_a_script() -> None:
    for tenant in json.loads((DEMO / "priced.json").read_text())["tenants"]:
        script = DEMO / "namespace" / tenant["workerName"]
        assert script.with_suffix(".js").exists() or (script / "index.js").exists()


def test_the_suggested_commands_are_for_the_first_priced_api() -> None:
    free = {"slug": "free", "tenantId": "t1", "workerName": "script"}
    priced = {**free, "slug": "priced", "priceUsd": 1, "x402Enabled": True}
    rejected = {**priced, "slug": "rejected", "payTo": "nobody"}
    directory = json.dumps({"tenants": [free, rejected, priced]})
    commands = [example.command for example in payment_examples(URL, directory, None)]
    assert commands == [f"curl -i {URL}/t/priced/", "make pay API=priced"]
    elsewhere = list(payment_examples(URL, directory, Path("/home/my state")))
    assert elsewhere[1].command == "make pay API=priced 'STATE=/home/my state'"


def test_without_a_priced_api_nothing_is_suggested() -> None:
    assert list(payment_examples(URL, None, None)) == []
    assert list(payment_examples(URL, '{"bySlug": {}}', None)) == []


def test_a_request_has_defaults() -> None:
    assert read_request({"API": "", "COUNT": ""}) == PaidRequest(DEFAULT_API, "GET", "", 1)


def test_the_default_method_with_a_body_is_post() -> None:
    assert read_request({"BODY": "x"}).fields() == {"method": "POST", "body": "x"}
    assert read_request({"BODY": "x", "METHOD": "put"}).method == "PUT"


@pytest.mark.parametrize(
    ("api", "path"),
    [
        ("rates", "/t/rates/"),
        ("rates/", "/t/rates/"),
        ("/rates/a?b=c", "/t/rates/a?b=c"),
        ("rates?b=c/d", "/t/rates/?b=c/d"),
    ],
)
def test_a_path_is_optional(api: str, path: str) -> None:
    assert read_request({"API": api}).url(URL) == URL + path


@pytest.mark.parametrize("times", ["0", "-1", "1.5", "many", "1001"])
def test_an_invalid_count_is_rejected(times: str) -> None:
    with pytest.raises(UsageError, match="COUNT="):
        read_request({"COUNT": times})


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "$0.000000"), (1, "$0.000001"), (1_234_567_890, "$1,234.567890"), (-10_000, "-$0.010000")],
)
def test_dollars_have_six_decimals(micros: int, text: str) -> None:
    assert dollars(micros) == text


def test_a_change_has_its_sign() -> None:
    assert [dollars(change, sign=True) for change in (5, 0, -5)] == [
        "+$0.000005",
        "+$0.000000",
        "-$0.000005",
    ]


@pytest.mark.parametrize(
    ("scheme", "status", "charged", "problem"),
    [
        ("exact", 200, 500, None),
        ("exact", 200, 499, "the transaction 0x1 did not transfer the price"),
        ("exact", 200, None, "the response 200 has no receipt"),
        ("upto", 200, 500, None),
        ("upto", 200, 20, None),
        ("upto", 200, None, None),
        ("upto", 402, None, "the response 402 has no receipt"),
        ("upto", 200, 501, "the transaction 0x1 did not transfer the price"),
    ],
)
def test_a_script_may_charge_less_only_with_the_scheme_upto(
    scheme: str, status: int, charged: int | None, problem: str | None
) -> None:
    receipt: dict[str, Any] = {"success": True, "transaction": "0x1", "amount": str(charged)}
    chain = SimpleNamespace(has_transferred=lambda _, wanted: wanted.amount == charged)
    way = Way("n", "", cast("Any", chain), "asset", BUYER)
    purchase = Purchase(status, {}, "", None if charged is None else receipt)
    requirements = Requirements("n", 500, "payee", "asset", scheme)
    assert find_problem(purchase, way, requirements) == problem
