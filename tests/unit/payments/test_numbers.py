"""Any number in a payment, a record or a facilitator's response is exact, or is rejected.

Numbers are given as the text of JSON, because some texts have no value: `1e400`, `1e-400`.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.constants import PLAN_LIMITS
from core.errors import FetchFailed
from core.ports import Fetched, ProxyResponse, Row, Statement
from core.quotas import QuotaLimits
from core.safe_json import read_json
from payments.facilitator import NoFacilitator, Outcome
from tenants.records import parse_directory
from tests.support.fake_chain import NETWORK, PAYER
from tests.support.payment_scene import PRICE_MICROS, Market, pay_v1
from tests.unit.payments.test_facilitator import ONE, PROOF, TRANSACTION, facilitators
from tests.unit.tenants.test_records import REQUIRED

EXACT_MAX = 2**53
SPECIAL = [
    *("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "-1e-400", "5e-324"),
    *("0", "-0", "0.0", "-0.0", "1.0", "1e0", "1E2", "1e-2", "0.01", "0.010000", "10000.0"),
    *(str(2**53 + 1), str(2**63), str(2**64), str(2**256 - 1), str(2**256), "9" * 5_000),
    *("0.1" + "0" * 400 + "1", "0.30000000000000004", "1e-7", "0.0000001", "1e15", "1e16"),
    *('"NaN"', '"-0"', '"1e4"', '"1E-2"', '"0.01"', '"10000"', '"10000.0"', '"0x10"', '"\\u0663"'),
    *(
        '"1_0"',
        '" 1"',
        '"1\\n"',
        '""',
        '"\\u0660.\\u0660\\u0661"',
        '"\\ud800"',
        "true",
        "false",
        "null",
        "[]",
        "{}",
    ),
]
numbers = st.one_of(
    st.sampled_from(SPECIAL),
    st.integers(-(2**300), 2**300).map(str),
    st.integers(-2, 20_000).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(0, 20_000, places=7).map(str),
    st.integers(-(2**300), 2**300).map(lambda value: f'"{value}"'),
)
HOLE = "*the number*"


def filled(document: Any, number: str) -> str:
    """Write a document as JSON with `number` in place of `HOLE`."""
    return json.dumps(document).replace(json.dumps(HOLE), number)


def with_hole(document: Any, path: Sequence[Any]) -> Any:
    """Return a copy of a document with `HOLE` at `path`."""
    first, *rest = path
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[first] = with_hole(copy[first], rest) if rest else HOLE
    return copy


def watch(market: Market) -> list[Statement]:
    """Record what is sent to the database."""
    sent: list[Statement] = []
    execute = market.database.execute

    async def recorded(*statements: Statement) -> Sequence[Sequence[Row]]:
        sent.extend(statements)
        return await execute(*statements)

    setattr(market.database, "execute", recorded)  # noqa: B010 (a method)
    return sent


def integers_in(value: Any) -> list[int]:
    """List the whole numbers that reach the database, also in JSON."""
    if isinstance(value, str) and value.startswith("{"):
        value = list(json.loads(value).values())
    if isinstance(value, tuple | list):
        return [number for inner in value for number in integers_in(inner)]
    return [value] if isinstance(value, int) else []


AUTHORIZATION = [["payload", "authorization", name] for name in ("value", "validAfter")]
AUTHORIZATION += [["payload", "authorization", "validBefore"]]
FIELDS: dict[int, list[list[Any]]] = {
    2: [["x402Version"], ["accepted", "amount"], ["accepted", "maxTimeoutSeconds"], *AUTHORIZATION],
    1: [["x402Version"], *AUTHORIZATION],
}


@pytest.mark.parametrize("path", ["/t/paid/x", "/t/free/x", "/t/gone/x"])
@pytest.mark.parametrize("version", FIELDS)
@settings(max_examples=60)
@given(data=st.data(), number=numbers)
def test_a_payment_with_any_number_is_charged_its_price_or_nothing(
    version: int, path: str, data: st.DataObject, number: str
) -> None:
    market = Market()
    headers = (
        market.payment() if version > 1 else pay_v1(market.challenge(), now_ms=market.clock.at_ms)
    )
    ((name, value),) = headers.items()
    place = data.draw(st.sampled_from(FIELDS[version]))
    text = filled(with_hole(json.loads(base64.b64decode(value)), place), number)
    sent = watch(market)
    response = market.call(path, {name: base64.b64encode(text.encode()).decode()})
    charged = isinstance(response, ProxyResponse) and path == "/t/paid/x"
    if not isinstance(response, ProxyResponse):
        assert response.status in (402, 404), response
    assert market.moved_micros == market.entered_micros == market.revenue_micros
    assert market.moved_micros == (PRICE_MICROS if charged else 0)
    assert all(abs(one) <= EXACT_MAX for _, values in sent for one in integers_in(values))


COUNTS = [
    *([["limits", "cpuMs"], ["limits", "subRequests"]]),
    *([["rateLimit", "requests"], ["rateLimit", "windowSeconds"]]),
    *([["usageLimit", "dailyRequests"], ["usageLimit", "monthlyRequests"]]),
]
MONEY = [["priceUsd"], ["spendLimit", "dailySpendUsd"], ["spendLimit", "monthlySpendUsd"]]
RECORD: dict[str, Any] = {
    **REQUIRED,
    "priceUsd": "0.000001",
    "x402Enabled": True,
    "limits": {"cpuMs": 50, "subRequests": 10},
    "rateLimit": {"requests": 1, "windowSeconds": 10},
    "usageLimit": {"dailyRequests": 1, "monthlyRequests": 1},
    "spendLimit": {"dailySpendUsd": "9999999", "monthlySpendUsd": "9999999"},
}


@settings(max_examples=400)
@given(place=st.sampled_from([*COUNTS, *MONEY]), number=numbers)
def test_a_record_with_any_number_means_what_it_says_or_is_rejected(
    place: list[str], number: str
) -> None:
    record = filled(with_hole(RECORD, place), number)
    other = json.dumps({**REQUIRED, "slug": "other"})
    found = parse_directory(f'{{"tenants": [{record}, {other}]}}')
    assert "other" in found.by_slug, "a number in one record must not affect others"
    tenant = found.by_slug.get(REQUIRED["slug"])
    if tenant is None:
        (refused,) = found.refused
        assert place[0] in str(refused)
        return
    rate, limits = tenant.rate_limit, tenant.quota_limits
    assert rate is not None
    values = {
        "cpuMs": tenant.limits.cpu_ms,
        "subRequests": tenant.limits.sub_requests,
        "requests": rate.requests,
        "windowSeconds": rate.window_seconds,
        **dict(zip(QUOTA_NAMES, limits, strict=True)),
        "priceUsd": tenant.price_micros,
    }
    value = values[place[-1]]
    if number == "null":
        assert value == (0 if place == ["priceUsd"] else None)
        return
    meant = Decimal(json.loads(number, parse_float=str, parse_constant=str))
    if place == ["limits", "subRequests"] and not meant:
        assert value == PLAN_LIMITS["free"].sub_requests, "older directories write 0 for the plan's"
        return
    assert value is not None
    wanted = meant * (1_000_000 if place in MONEY else 1)
    # A float is not exact; what it means is.
    assert abs(wanted - value) < Decimal("0.000001")
    assert value <= EXACT_MAX


QUOTA_NAMES = ("monthlyRequests", "dailyRequests", "monthlySpendUsd", "dailySpendUsd")
assert QuotaLimits._fields == (
    *("monthly_requests", "daily_requests", "monthly_micros", "daily_micros"),
)


OPTION = {"network": NETWORK, "decimals": 6, "maxTimeoutSeconds": 60, "priceUsd": "0.01"}
WITH_AMOUNT = {"network": NETWORK, "amount": "20000", "extra": {"limit": 1}}
WAYS: dict[str, Any] = {
    **REQUIRED,
    "priceUsd": "0.01",
    "x402Enabled": True,
    "accepts": [OPTION, WITH_AMOUNT],
    "routes": [{"path": "/a", "priceUsd": "0.02", "accepts": [OPTION]}],
}
WAYS_PLACES: list[list[Any]] = [
    *(["accepts", 0, name] for name in ("decimals", "maxTimeoutSeconds", "priceUsd")),
    *(["accepts", 1, "amount"], ["accepts", 1, "extra", "limit"]),
    *(["routes", 0, "priceUsd"], ["routes", 0, "accepts", 0, "priceUsd"]),
]


@settings(max_examples=300)
@given(place=st.sampled_from(WAYS_PLACES), number=numbers)
def test_a_way_to_pay_with_any_number_means_what_it_says_or_is_rejected(
    place: list[Any], number: str
) -> None:
    record = filled(with_hole(WAYS, place), number)
    found = parse_directory(f'{{"tenants": [{record}]}}')
    tenant = found.by_slug.get(REQUIRED["slug"])
    if tenant is None:
        (refused,) = found.refused
        assert place[0] in str(refused)
        return
    price, amount = tenant.accepts[0], tenant.accepts[1]
    (route,) = tenant.routes
    json.dumps([dict(option.extra) for option in tenant.accepts], allow_nan=False)
    values: dict[str, Any] = {
        "accepts 0 decimals": price.decimals,
        "accepts 0 maxTimeoutSeconds": price.max_timeout_seconds,
        "accepts 0 priceUsd": Decimal(price.price_micros) / 1_000_000,
        "accepts 1 amount": amount.amount,
        "routes 0 priceUsd": Decimal(route.price_micros) / 1_000_000,
        "routes 0 accepts 0 priceUsd": Decimal(route.accepts[0].price_micros) / 1_000_000,
    }
    name = " ".join(map(str, place))
    if number != "null" and name in values:
        meant = Decimal(json.loads(number, parse_float=str, parse_constant=str))
        assert abs(meant - Decimal(values[name])) <= meant * Decimal("1e-12")


@pytest.mark.parametrize("name", ["example", "inputSchema", "outputSchema"])
@pytest.mark.parametrize("number", ["NaN", "1e400", "-Infinity", "1e-400", "9" * 5_000])
def test_a_number_that_json_cannot_express_is_not_shown_to_clients(name: str, number: str) -> None:
    record = filled({**REQUIRED, name: {"default": [HOLE]}}, number)
    (refused,) = parse_directory(f'{{"tenants": [{record}]}}').refused
    assert name in str(refused)


VERIFIED = {"isValid": True, "payer": PAYER, "invalidReason": None}
SETTLED = {
    "success": True,
    "transaction": TRANSACTION,
    "network": NETWORK,
    "payer": PAYER,
    "amount": "10000",
    "errorReason": "insufficient_funds",
}
KINDS = {"kinds": [{"x402Version": 2, "scheme": "exact", "network": NETWORK}]}


@settings(max_examples=300)
@given(name=st.sampled_from([*VERIFIED, *SETTLED]), number=numbers)
def test_a_facilitators_result_with_any_number_is_read_or_proves_nothing(
    name: str, number: str
) -> None:
    def results() -> tuple[Fetched, Fetched]:
        verified = {**VERIFIED, name: HOLE} if name in VERIFIED else VERIFIED
        settled = {**SETTLED, name: HOLE} if name in SETTLED else SETTLED
        return Fetched(200, filled(verified, number)), Fetched(200, filled(settled, number))

    verified, settled = results()
    client, _ = facilitators(verified, FetchFailed("down"))
    with suppress(NoFacilitator):
        result = asyncio.run(client.verify(PROOF))
        assert result.is_valid == (name != "isValid" or number == "true")
    client, _ = facilitators(settled)
    found = asyncio.run(client.settle(PROOF, ONE))
    # Whatever else is wrong.
    assert found.transaction == TRANSACTION or name == "transaction"
    outcome, document = found.outcome, read_json(settled.body, is_finite=False)
    if outcome is Outcome.SETTLED:
        assert document["success"] is True
        assert str(document["amount"]) in ("10000", "None")
    elif outcome is Outcome.REFUSED:
        assert document["success"] is False
        assert document["errorReason"] == "insufficient_funds"


@settings(max_examples=100)
@given(name=st.sampled_from([*KINDS["kinds"][0]]), number=numbers)
def test_the_supported_kinds_may_have_any_number(name: str, number: str) -> None:
    kinds = {"kinds": [{**KINDS["kinds"][0], name: HOLE}, HOLE]}
    client, _ = facilitators(
        Fetched(200, filled(kinds, number)), Fetched(200, json.dumps(VERIFIED))
    )
    asyncio.run(client.supported(ONE))
    with suppress(NoFacilitator):
        asyncio.run(client.verify(PROOF))
