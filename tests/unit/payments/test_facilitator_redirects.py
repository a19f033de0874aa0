"""Redirects of facilitators are followed with method and body, to encrypted addresses only."""

from __future__ import annotations

import asyncio

import pytest

from core.ports import Fetched
from payments.facilitator import NoFacilitator, Outcome
from tests.unit.payments.test_facilitator import (
    BODY,
    ONE,
    PROOF,
    SETTLED,
    TWO,
    facilitators,
    json_result,
)


def redirect(location: str, status: int = 308) -> Fetched:
    return Fetched(status, "", location)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://two.example/x/verify", "https://two.example/x/verify"),
        ("https://one.example/verify", "https://one.example/verify"),
        ("//three.example/verify", None),
        ("/other/verify", None),
        ("http://two.example/verify", None),
        ("http://127.0.0.1/verify", None),
        ("ftp://two.example/verify", None),
        ("https://user:password@two.example/verify", None),
        ("https://", None),
        ("https://[", None),
        ("https://two.example:99999/verify", None),
        ("", None),
    ],
)
def test_a_redirect_is_followed_with_method_and_body_to_encrypted_addresses(
    status: int, location: str, target: str | None
) -> None:
    client, fetcher = facilitators(redirect(location, status), json_result(isValid=True))
    result = asyncio.run(client.verify(PROOF))
    assert result.facilitator == (ONE if target else TWO)
    assert [(url, body) for url, _, body in fetcher.sent] == [
        (f"{ONE}/verify", BODY),
        (target or f"{TWO}/verify", BODY),
    ]


def test_a_redirect_that_is_not_followed_is_named() -> None:
    client, _ = facilitators(redirect("http://three.example/x"), redirect("x", 303))
    with pytest.raises(NoFacilitator, match=r"redirects to http://three\.example/x, which.*303"):
        asyncio.run(client.verify(PROOF))


def test_redirects_are_limited_in_number() -> None:
    client, fetcher = facilitators(*[redirect("https://one.example/verify")] * 4)
    with pytest.raises(IndexError):
        asyncio.run(client.verify(PROOF))
    redirected = ["https://one.example/verify"] * 3
    assert [url for url, _, _ in fetcher.sent] == [f"{ONE}/verify", *redirected, f"{TWO}/verify"]


def test_a_settlement_follows_redirects_too() -> None:
    client, fetcher = facilitators(redirect("https://two.example/settle"), json_result(**SETTLED))
    assert asyncio.run(client.settle(PROOF, ONE)).outcome is Outcome.SETTLED
    assert [url for url, _, _ in fetcher.sent] == [f"{ONE}/settle", "https://two.example/settle"]
