"""Forms of a payment header that clients send although the specification has others."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ports import ProxyResponse
from tests.support.payment_scene import Market, encode


@pytest.mark.parametrize(
    "form",
    [
        lambda value: value.rstrip("="),
        lambda value: value.replace("+", "-").replace("/", "_"),
        lambda value: f" {value} ",
    ],
)
@pytest.mark.parametrize("padding", range(3))
def test_other_forms_of_base64_are_accepted(form: Callable[[str], str], padding: int) -> None:
    market = Market()
    document = json.loads(base64.b64decode(market.payment()["payment-signature"]))
    text = json.dumps({**document, "note": "ÿ" * 3 + "a" * padding}, ensure_ascii=False)
    value = base64.b64encode(text.encode()).decode()
    response = market.call(headers={"payment-signature": form(value)})
    assert isinstance(response, ProxyResponse), response
    assert market.states == ["settled"]


@pytest.mark.parametrize("seconds", [9_007_199_254_740, 9_007_199_254_741, 2**63, 2**256 - 1])
def test_an_authorization_without_expiry_is_settled(seconds: int) -> None:
    market = Market()
    response = market.call(headers=market.payment(validBefore=str(seconds)))
    assert isinstance(response, ProxyResponse), response
    assert market.states == ["settled"]


NUMBERS = st.one_of(
    st.integers(-(2**300), 2**300),
    st.integers(-(2**300), 2**300).map(str),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([True, None, "NaN", "-0", "1e4", "1E+4", "0x10", "٣", "1_0", " 1", "1.0", ""]),
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["value", "validAfter", "validBefore"]), NUMBERS)
def test_any_number_in_an_authorization_is_settled_or_refused(field: str, number: object) -> None:
    market = Market()
    document = json.loads(base64.b64decode(market.payment()["payment-signature"]))
    document["payload"]["authorization"][field] = number
    response = market.call(headers={"payment-signature": encode(document)})
    assert isinstance(response, ProxyResponse) or response.status == 402, response


@pytest.mark.parametrize("field", ["network", "asset", "scheme", "payTo", "amount"])
@pytest.mark.parametrize("path", ["/t/paid/x", "/t/free/x", "/t/gone/x"])
def test_texts_that_have_no_utf_8_are_those_of_an_unknown_payment(field: str, path: str) -> None:
    market = Market()
    document = json.loads(base64.b64decode(market.payment()["payment-signature"]))
    document["accepted"][field] = "\ud800"
    response = market.call(path, {"payment-signature": encode(document)})
    if isinstance(response, ProxyResponse):
        assert path == "/t/free/x"
    else:
        assert response.status in (402, 404)
    assert market.payments == []


def test_a_time_that_no_contract_can_hold_is_refused() -> None:
    market = Market()
    response = market.call(headers=market.payment(validBefore=str(2**256)))
    assert not isinstance(response, ProxyResponse)
    assert "validBefore" in response.body
    assert market.facilitator.calls == []
