"""Health names each setting that does not fit the token's contract, before a buyer fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from api.payment_health import SETTINGS
from core.errors import FetchFailed
from core.ports import Fetched, Json
from payments.chain.evm.token import domain_separator, token_differences
from payments.chain.node import RPC_SETTING, Node
from payments.requirements import PaymentRequirements
from tests.support.builders import REQUIREMENTS
from tests.support.fake_chain import RPC_URL, TOKEN, abi_text
from tests.support.fake_network import FakeFetcher
from tests.support.fakes import FakeClock, FakeEnvironment


def compare(
    results: Mapping[str, Any], requirements: PaymentRequirements = REQUIREMENTS
) -> list[str]:
    """Compare a token, some of whose results differ, with the settings."""

    async def respond(_: str, body: Json) -> Fetched:
        selector = body["params"][0]["data"][:10]
        result = {**TOKEN, **results}[selector]
        if isinstance(result, Exception):
            raise result
        return Fetched(200, json.dumps({"result": result}))

    environment = FakeEnvironment(settings={RPC_SETTING: RPC_URL}, fetcher=FakeFetcher(respond))
    node = Node(environment, FakeClock(), RPC_URL)
    return [*asyncio.run(token_differences(node, requirements, SETTINGS))]


def test_the_separator_is_that_of_the_contract_on_base_sepolia() -> None:
    # Published by the contract 0x036CbD53842c5426634e7929541eC2318f3dCF7e.
    expected = "71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818"
    assert domain_separator(REQUIREMENTS).hex() == expected


def test_a_token_as_configured_has_no_differences() -> None:
    assert compare({}) == []


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"0x313ce567": f"0x{18:064x}"}, "X402_ASSET_DECIMALS"),
        ({"0x06fdde03": abi_text("USD Coin"), "0x3644e515": "0x" + "1" * 64}, "X402_ASSET_NAME"),
        ({"0x54fd4d50": abi_text("1"), "0x3644e515": "0x" + "1" * 64}, "X402_ASSET_VERSION"),
        ({"0x3644e515": "0x" + "1" * 64}, "X402_ASSET_NAME, X402_ASSET_VERSION"),
        ({"0xe94a0102": "0x"}, "X402_ASSET"),
        ({"0xe94a0102": FetchFailed("execution reverted")}, "X402_ASSET"),
    ],
)
def test_each_difference_names_its_setting(changes: dict[str, Any], setting: str) -> None:
    (sentence,) = compare(changes)
    assert sentence.partition(":")[0] == setting


def test_a_token_that_is_paid_with_permit2_needs_only_its_decimals() -> None:
    plain = dict.fromkeys(TOKEN, "0x") | {"0x313ce567": f"0x{6:064x}"}
    requirements = replace(REQUIREMENTS, extra={"assetTransferMethod": "permit2"})
    assert compare(plain, requirements) == []
    (sentence,) = compare({**plain, "0x313ce567": f"0x{18:064x}"}, requirements)
    assert sentence.startswith("X402_ASSET_DECIMALS")
    (sentence,) = compare({**plain, "0x313ce567": "0x"}, requirements)
    assert sentence.startswith("X402_ASSET")


def test_a_token_may_sign_under_another_name_than_it_shows() -> None:
    assert compare({"0x06fdde03": abi_text("USD Coin (bridged)")}) == []


def test_a_token_without_a_separator_is_compared_by_its_name() -> None:
    gone = {"0x3644e515": FetchFailed("execution reverted")}
    assert compare(gone) == []
    (sentence,) = compare({**gone, "0x06fdde03": "0x" + b"Dai".hex().ljust(64, "0")})
    assert sentence == "X402_ASSET_NAME: the token's name() is 'Dai', not 'USDC'."


@pytest.mark.parametrize("value", [None, 1, True, "x", "0x1", [], {}, "0x" + "ff" * 64, "0x", ""])
@pytest.mark.parametrize("selector", [*TOKEN])
def test_a_malformed_result_raises_nothing(selector: str, value: object) -> None:
    assert len(compare({selector: value})) <= 1
