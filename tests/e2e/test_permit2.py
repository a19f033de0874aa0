"""The official facilitator verifies and settles payments with the local chain's Permit2."""

import pytest

from dev.economy import Wallet
from dev.economy.chain import PLAIN_TOKEN, TOKEN
from dev.economy.signing import Document, new_wallet, sign
from dev.economy.smart_wallets import new_smart_wallets
from dev.economy.wallets import FACILITATOR

from .facilitator_client import FacilitatorClient

AMOUNT = 10_000


def _required(facilitator: FacilitatorClient, scheme: str, token: str = TOKEN) -> Document:
    economy = facilitator.economy
    extra = {"name": "USDC", "version": "2", "assetTransferMethod": "permit2"}
    if scheme == "upto":
        extra["facilitatorAddress"] = FACILITATOR.address
    return {
        "accepts": [
            {
                "scheme": scheme,
                "network": economy.network,
                "amount": str(AMOUNT),
                "asset": token,
                "payTo": economy.payee,
                "maxTimeoutSeconds": 60,
                "extra": extra,
            }
        ]
    }


def _payer(facilitator: FacilitatorClient, token: str = TOKEN, allowance: int = AMOUNT) -> Wallet:
    chain = facilitator.economy.chain
    wallet = new_wallet(facilitator.economy, 0)
    chain.fund(wallet.address, AMOUNT, token)
    chain.approve_permit2(wallet.address, allowance, token)
    return wallet


def _call(wallet: Wallet, required: Document, **changes: object) -> Document:
    """Return a facilitator request, which asks for the whole amount."""
    return {
        "x402Version": 2,
        "paymentPayload": sign(wallet, required, changes),
        "paymentRequirements": required["accepts"][0],
    }


def _asking(call: Document, amount: int) -> Document:
    return {**call, "paymentRequirements": {**call["paymentRequirements"], "amount": str(amount)}}


@pytest.mark.parametrize("token", [TOKEN, PLAIN_TOKEN], ids=["EIP-3009 token", "plain token"])
@pytest.mark.parametrize("scheme", ["exact", "upto"])
def test_a_payment_settles_once(facilitator: FacilitatorClient, scheme: str, token: str) -> None:
    chain, payee = facilitator.economy.chain, facilitator.economy.payee
    wallet = _payer(facilitator, token)
    call = _call(wallet, _required(facilitator, scheme, token))
    assert facilitator.post("/verify", call)["isValid"] is True
    before = chain.balance(payee, token)
    assert facilitator.post("/settle", call)["success"] is True
    assert chain.balance(payee, token) == before + AMOUNT
    assert chain.balance(wallet.address, token) == 0
    assert facilitator.post("/settle", call)["success"] is False
    assert facilitator.post("/verify", call)["isValid"] is False


def test_up_to_moves_the_amount_that_is_asked_for(facilitator: FacilitatorClient) -> None:
    chain = facilitator.economy.chain
    wallet = _payer(facilitator)
    call = _call(wallet, _required(facilitator, "upto"))
    settled = facilitator.post("/settle", _asking(call, 1_234))
    assert (settled["success"], settled["amount"]) == (True, "1234")
    assert chain.balance(wallet.address) == AMOUNT - 1_234
    # The rest cannot be taken with the same signature.
    assert facilitator.post("/settle", _asking(call, 1))["success"] is False
    assert chain.balance(wallet.address) == AMOUNT - 1_234


def test_up_to_moves_no_more_than_was_signed(facilitator: FacilitatorClient) -> None:
    wallet = _payer(facilitator)
    call = _call(wallet, _required(facilitator, "upto"))
    refused = facilitator.post("/settle", _asking(call, AMOUNT + 1))
    assert refused["errorReason"] == "invalid_upto_evm_payload_settlement_exceeds_amount"
    assert facilitator.economy.chain.balance(wallet.address) == AMOUNT


def test_an_amount_that_permit2_may_not_move_is_refused_with_that_reason(
    facilitator: FacilitatorClient,
) -> None:
    wallet = _payer(facilitator, allowance=AMOUNT - 1)
    refused = facilitator.post("/verify", _call(wallet, _required(facilitator, "exact")))
    assert refused["invalidReason"] == "permit2_allowance_required"


def test_a_nonce_that_its_owner_has_used_up_is_refused(facilitator: FacilitatorClient) -> None:
    wallet = _payer(facilitator)
    call = _call(wallet, _required(facilitator, "exact"))
    nonce = call["paymentPayload"]["payload"]["permit2Authorization"]["nonce"]
    facilitator.economy.chain.cancel_permit2(wallet.address, int(nonce))
    assert facilitator.post("/verify", call)["invalidReason"] == "permit2_simulation_failed"


def test_a_signature_for_other_terms_is_refused(facilitator: FacilitatorClient) -> None:
    wallet = _payer(facilitator)
    call = _call(wallet, _required(facilitator, "upto"))
    call["paymentPayload"]["payload"]["permit2Authorization"]["nonce"] = "7"
    assert facilitator.post("/verify", call)["invalidReason"] == "invalid_permit2_signature"


def test_a_smart_wallet_pays_with_permit2(facilitator: FacilitatorClient) -> None:
    chain = facilitator.economy.chain
    owners = (new_wallet(facilitator.economy, 0), new_wallet(facilitator.economy, 0))
    wallet, _ = new_smart_wallets(chain, *owners)
    chain.fund(wallet.address, AMOUNT)
    chain.approve_permit2(wallet.address, AMOUNT)
    call = _call(wallet, _required(facilitator, "upto"))
    assert facilitator.post("/settle", call)["success"] is True
    assert chain.balance(wallet.address) == 0
