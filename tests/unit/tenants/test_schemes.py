"""The scheme and the transfer method of a way to pay: which are valid, and where."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import ConfigurationError
from payments.requirements import requirements_for
from tests.support.fakes import FakeEnvironment
from tests.support.payment_scene import SETTINGS
from tests.unit.tenants.test_pricing import BASE_USDC, OTHER, refused, tenant

SOLANA = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
PERMIT2 = {"assetTransferMethod": "permit2"}


def test_upto_is_paid_with_permit2() -> None:
    (option,) = tenant({"scheme": "upto", "network": "base"}).accepts
    assert option.scheme == "upto"
    assert option.extra == {"name": "USD Coin", "version": "2", **PERMIT2}


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"scheme": "deferred"}, "accepts[0].scheme must be 'exact' or 'upto'"),
        ({"scheme": 1}, "accepts[0].scheme must be"),
        ({"scheme": []}, "accepts[0].scheme must be"),
        ({"scheme": "upto", "network": SOLANA}, "not supported on solana:"),
        ({"scheme": "upto", "extra": {"assetTransferMethod": "eip3009"}}, "accepts[0].extra must"),
        ({"extra": {"assetTransferMethod": "erc7710"}}, "accepts[0].extra must be"),
        ({"extra": {"assetTransferMethod": None}}, "accepts[0].extra must be"),
        ({"extra": PERMIT2, "network": SOLANA}, "which solana:"),
        ({"scheme": "upto", "extra": {"facilitatorAddress": OTHER}}, "without facilitatorAddress"),
    ],
)
def test_what_this_dispatcher_does_not_settle_is_rejected_by_name(
    entry: dict[str, Any], reason: str
) -> None:
    found = refused(entry)
    assert any(reason in one for one in found), found


def test_entries_may_differ_in_scheme_or_transfer_method_only() -> None:
    base = {"network": "base"}
    settings = {**SETTINGS, "X402_NETWORK": "base", "X402_ASSET": BASE_USDC}
    entries = (base, {**base, "scheme": "upto"}, {**base, "extra": PERMIT2})
    found = requirements_for(FakeEnvironment(settings=settings), tenant(*entries))
    assert [(one.scheme, one.is_permit2) for one in found] == [
        ("exact", False),
        ("upto", True),
        ("exact", True),
    ]
    assert refused({**base, "scheme": "upto"}, {**base, "scheme": "upto"})


def test_a_token_that_is_paid_with_permit2_needs_no_name_and_version() -> None:
    entry = {"network": "eip155:999", "asset": OTHER, "decimals": 18, "extra": PERMIT2}
    (found,) = requirements_for(FakeEnvironment(settings=SETTINGS), tenant(entry))
    assert found.is_permit2
    assert found.extra == PERMIT2
    assert found.network_v1 is None


@pytest.mark.parametrize("entry", [{"scheme": "upto"}, {"extra": PERMIT2}])
def test_a_deployment_on_another_kind_of_network_says_that_it_does_not_support_it(
    entry: dict[str, Any],
) -> None:
    asset = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
    settings = {**SETTINGS, "X402_NETWORK": SOLANA, "X402_ASSET": asset, "PAY_TO_ADDRESS": asset}
    with pytest.raises(ConfigurationError, match="not supported on solana:"):
        requirements_for(FakeEnvironment(settings=settings), tenant(entry))


def test_a_route_is_paid_by_the_schemes_of_its_record() -> None:
    routes = [{"path": "/big", "priceUsd": "0.05"}]
    record = tenant({"scheme": "upto", "network": "base"}, routes=routes)
    (found,) = requirements_for(FakeEnvironment(settings=SETTINGS), record.at("GET", ["/big"]))
    assert (found.scheme, found.amount) == ("upto", "50000")
