"""Forms of a payment header that clients send although the specification has others."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest

from core.ports import ProxyResponse
from tests.support.payment_scene import Market


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
