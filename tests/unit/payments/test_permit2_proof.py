"""A payment with Permit2 is proven only by the proxy's own call with its nonce and its amount."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from core.ports import Fetched, Json
from payments.chain.node import RPC_SETTING
from payments.chain.outcome import NO_PROOF, AuthorizationState, ChainProof
from payments.chain.queries import Chain
from payments.models import PaymentRow
from tests.support import fake_chain
from tests.support.builders import PAYMENT_ROW
from tests.support.fake_chain import FACILITATOR_ADDRESS, PAYEE, PAYER, RPC_URL, USDC
from tests.support.fake_network import FakeFetcher
from tests.support.fakes import FakeClock, FakeEnvironment

UPTO_PROXY = "0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002"
EXACT_PROXY = "0x402085c248EeA27D92E8b30b2C58ed07f9E20001"
NONCE = 2**255 + 7
OTHER = "0x1111111111111111111111111111111111111111"


def permit(**changes: Any) -> dict[str, Any]:
    """Return what the payer signed: up to a cent for the payee."""
    return {
        "from": PAYER,
        "permitted": {"token": USDC, "amount": "10000"},
        "spender": UPTO_PROXY,
        "nonce": str(NONCE),
        "deadline": str(PAYMENT_ROW.valid_before_ms // 1000),
        "witness": {"to": PAYEE, "facilitator": FACILITATOR_ADDRESS, "validAfter": "0"},
        **changes,
    }


def row(scheme: str = "upto", amount: str = "2500") -> PaymentRow:
    """Return the row of a payment whose settlement was asked for."""
    proof = {
        "paymentPayload": {"payload": {"permit2Authorization": permit()}},
        "paymentRequirements": {"scheme": scheme},
    }
    return PAYMENT_ROW._replace(
        proof=json.dumps(proof), nonce=f"0x{NONCE:064x}", scheme=scheme, amount=amount
    )


def query(chain: fake_chain.Chain, payment: PaymentRow, **results: Any) -> ChainProof:
    """Query a node of the chain, with some other results by method."""

    async def respond(_: str, body: Json) -> Fetched:
        method = body["method"]
        result = results[method] if method in results else chain.rpc(method, body["params"])
        return Fetched(200, json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}))

    environment = FakeEnvironment(settings={RPC_SETTING: RPC_URL}, fetcher=FakeFetcher(respond))
    return asyncio.run(Chain(environment, FakeClock()).query(payment))


@pytest.mark.parametrize("scheme", ["upto", "exact"])
def test_the_proxy_s_call_proves_a_settlement(scheme: str) -> None:
    chain = fake_chain.Chain()
    witness = {"to": PAYEE, "validAfter": "0"}
    signed = permit() if scheme == "upto" else permit(spender=EXACT_PROXY, witness=witness)
    amount = "2500" if scheme == "upto" else "10000"
    transaction = chain.permit(signed, amount)
    found = query(chain, row(scheme, amount))
    assert found == ChainProof(AuthorizationState.MOVED, transaction or "")


@pytest.mark.parametrize("scheme", ["upto", "exact"])
def test_a_call_with_a_permit_of_the_token_proves_a_settlement(scheme: str) -> None:
    chain = fake_chain.Chain()
    witness = {"to": PAYEE, "validAfter": "0"}
    signed = permit() if scheme == "upto" else permit(spender=EXACT_PROXY, witness=witness)
    amount = "2500" if scheme == "upto" else "10000"
    transaction = chain.permit(signed, amount)
    assert transaction is not None
    data = chain.calls[transaction]["input"]
    selector = "0x016c1748" if scheme == "upto" else "0xfa340378"
    chain.calls[transaction]["input"] = selector + 5 * f"{9:064x}" + data[10:]
    assert query(chain, row(scheme, amount)).state is AuthorizationState.MOVED


def _changed(call: Mapping[str, str], position: int, value: int) -> dict[str, str]:
    """Return a call with another argument."""
    start = 10 + 64 * position
    data = call["input"]
    return {**call, "input": f"{data[:start]}{value:064x}{data[start + 64 :]}"}


@pytest.mark.parametrize(
    "change",
    [
        lambda _: None,
        lambda _: [],
        lambda call: {**call, "to": OTHER},
        lambda call: {**call, "to": None},
        lambda call: {**call, "to": EXACT_PROXY},
        lambda call: {**call, "hash": f"0x{9:064x}"},
        lambda call: {**call, "input": "0x13cd3b53" + call["input"][10:]},
        lambda call: {**call, "input": "0x"},
        lambda call: {**call, "input": call["input"][:200]},
        lambda call: {**call, "input": None},
        lambda call: _changed(call, 0, 1),
        lambda call: _changed(call, 2, NONCE + 1),
        lambda call: _changed(call, 4, 2_501),
        lambda call: _changed(call, 5, 1),
    ],
)
def test_any_other_call_proves_nothing(change: Any) -> None:
    chain = fake_chain.Chain()
    transaction = chain.permit(permit(), "2500")
    assert transaction is not None
    assert query(chain, row()).state is AuthorizationState.MOVED
    call = change(chain.calls[transaction])
    assert query(chain, row(), eth_getTransactionByHash=call) == NO_PROOF


def test_a_settlement_of_another_amount_proves_nothing() -> None:
    chain = fake_chain.Chain()
    chain.permit(permit(), "2501")
    assert query(chain, row()) == NO_PROOF


def test_another_payment_of_the_same_amount_proves_nothing() -> None:
    chain = fake_chain.Chain()
    chain.permit(permit(nonce="9"), "2500")
    # The owner has used up the nonce without a transfer.
    chain.cancel(PAYER, f"0x{NONCE:064x}")
    assert query(chain, row()) == NO_PROOF


def test_the_right_one_of_several_payments_is_found() -> None:
    chain = fake_chain.Chain()
    for number in (1, 2, 3):
        chain.permit(permit(nonce=str(number)), "2500")
    transaction = chain.permit(permit(), "2500")
    assert query(chain, row()) == ChainProof(AuthorizationState.MOVED, transaction or "")


def test_a_nonce_beside_a_used_one_is_open() -> None:
    chain = fake_chain.Chain()
    chain.permit(permit(nonce=str(NONCE + 1)), "2500")
    assert query(chain, row()) == NO_PROOF


@pytest.mark.parametrize("bitmap", ["0x", "0x00", None, "used"])
def test_without_the_bitmap_nothing_is_proven(bitmap: Json) -> None:
    chain = fake_chain.Chain()
    chain.permit(permit(), "2500")
    chain.block_seconds = PAYMENT_ROW.valid_before_ms // 1000 + 120
    assert query(chain, row(), eth_call=bitmap) == NO_PROOF


def test_an_unused_nonce_is_void_once_its_deadline_has_passed() -> None:
    chain = fake_chain.Chain()
    end_seconds = PAYMENT_ROW.valid_before_ms // 1000
    chain.block_seconds = end_seconds + 119
    assert query(chain, row()) == NO_PROOF
    chain.block_seconds = end_seconds + 120
    assert query(chain, row()) == ChainProof(AuthorizationState.VOID)
