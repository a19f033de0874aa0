"""Contracts pay like accounts: deployed ones (EIP-1271), and ones that are not yet (ERC-6492)."""

from dataclasses import replace

import pytest

from dev.economy.chain import OTHER_FACTORY
from dev.economy.signing import Document, new_wallet, sign
from dev.economy.smart_wallets import SmartWallet, new_smart_wallets

from .conftest import PayerOf
from .faults import drop_connection_after_success
from .paid_dispatcher import (
    PRICE,
    PaidDispatcher,
    assert_pending,
    assert_served_once,
    is_served,
    receipt_of,
)

deployed_or_not = pytest.mark.parametrize("is_deployed", [True, False], ids=["deployed", "not yet"])


def _wallets(paid_dispatcher: PaidDispatcher, **options: object) -> tuple[SmartWallet, SmartWallet]:
    """Return a new wallet with the tokens for one payment, as each of its owners signs for it."""
    economy = paid_dispatcher.economy
    owners = (new_wallet(economy, 0), new_wallet(economy, 0))
    wallets = new_smart_wallets(economy.chain, *owners, **options)  # type: ignore[arg-type]
    economy.chain.fund(wallets[0].address, PRICE)
    return wallets


def _signed_alike(
    paid_dispatcher: PaidDispatcher, wallets: tuple[SmartWallet, SmartWallet], path: str = "sold/"
) -> list[Document]:
    """Return one authorization with the signature of each owner."""
    first, second = wallets
    required = paid_dispatcher.payment_required(path)
    payment = sign(first, required)
    return [payment, sign(second, required, payment["payload"]["authorization"])]


def _has_code(paid_dispatcher: PaidDispatcher, wallet: SmartWallet) -> bool:
    code = paid_dispatcher.economy.chain.rpc.call("eth_getCode", wallet.address, "latest")
    return bool(code != "0x")


@pytest.mark.parametrize("version", [2, 1])
@deployed_or_not
def test_the_official_client_pays_the_price_once_for_a_smart_wallet(
    paid_dispatcher: PaidDispatcher, payer_of: PayerOf, version: int, is_deployed: bool
) -> None:
    wallet, _ = _wallets(paid_dispatcher, is_deployed=is_deployed)
    assert _has_code(paid_dispatcher, wallet) is is_deployed
    bought = payer_of("fetch").pay(wallet, paid_dispatcher.url(), version=version)
    assert bought.status == 200
    assert "bread" in bought.body
    assert bought.receipt is not None
    assert (bought.receipt["success"], bought.receipt["payer"]) == (True, wallet.address.lower())
    paid_dispatcher.records.check(wallet, ["settled"])
    assert paid_dispatcher.economy.chain.balance(wallet.address) == 0
    assert _has_code(paid_dispatcher, wallet)


@deployed_or_not
def test_a_smart_wallet_that_pays_again_with_the_same_header_gets_the_receipt(
    paid_dispatcher: PaidDispatcher, is_deployed: bool
) -> None:
    wallet, _ = _wallets(paid_dispatcher, is_deployed=is_deployed)
    payment = paid_dispatcher.signed(wallet)
    first = paid_dispatcher.send(payment)
    assert is_served(first), first.text
    again = paid_dispatcher.send(payment)
    assert (again.status_code, is_served(again)) == (200, False)
    assert receipt_of(again) == receipt_of(first)
    paid_dispatcher.records.check(wallet, ["settled"])


@deployed_or_not
def test_another_valid_signature_for_an_authorization_is_the_same_payment(
    paid_dispatcher: PaidDispatcher, is_deployed: bool
) -> None:
    path = "sold/?wait_ms=1500"
    wallets = _wallets(paid_dispatcher, is_deployed=is_deployed)
    one, other = _signed_alike(paid_dispatcher, wallets, path)
    assert one["payload"]["signature"] != other["payload"]["signature"]
    sent = [
        paid_dispatcher.begin(lambda: paid_dispatcher.send(one, path)),
        paid_dispatcher.begin(lambda: paid_dispatcher.send(other, path)),
    ]
    responses = [future.result() for future in sent]
    assert [is_served(response) for response in responses].count(True) == 1
    receipts = [receipt_of(response)["transaction"] for response in responses]
    assert receipts[0] == receipts[1]
    paid_dispatcher.records.check(wallets[0], ["settled"])


def test_another_signature_for_a_settled_authorization_neither_serves_nor_charges(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallets = _wallets(paid_dispatcher)
    one, other = _signed_alike(paid_dispatcher, wallets)
    assert is_served(paid_dispatcher.send(one))
    refused = paid_dispatcher.send(other)
    assert refused.status_code == 402
    assert refused.json()["reason"] == "invalid_exact_evm_nonce_already_used"
    paid_dispatcher.records.check(wallets[0], ["settled"])


def test_a_wallet_of_a_factory_that_the_facilitator_does_not_know_is_refused_with_the_reason(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet, _ = _wallets(paid_dispatcher, is_deployed=False, factory=OTHER_FACTORY)
    refused = paid_dispatcher.send(paid_dispatcher.signed(wallet))
    assert refused.status_code == 402
    body = refused.json()
    assert (body["error"], body["reason"]) == ("payment_invalid", "eip6492_factory_not_allowed")
    paid_dispatcher.records.check(wallet, [])
    assert not _has_code(paid_dispatcher, wallet)


def test_a_signature_of_no_owner_is_refused(paid_dispatcher: PaidDispatcher) -> None:
    wallet, _ = _wallets(paid_dispatcher)
    stranger = replace(wallet, private_key=paid_dispatcher.wallet(0).private_key)
    refused = paid_dispatcher.send(paid_dispatcher.signed(stranger))
    assert (refused.status_code, refused.json()["error"]) == (402, "payment_invalid")
    paid_dispatcher.records.check(wallet, [])


@deployed_or_not
def test_a_lost_settlement_of_a_smart_wallet_is_proven_by_the_chain_and_served_once(
    paid_dispatcher: PaidDispatcher, is_deployed: bool
) -> None:
    wallet, _ = _wallets(paid_dispatcher, is_deployed=is_deployed)
    payment = paid_dispatcher.signed(wallet)
    paid_dispatcher.proxy.then("/settle", drop_connection_after_success)
    assert_pending(paid_dispatcher.send(payment))
    paid_dispatcher.resolve()
    paid_dispatcher.records.check(wallet, ["settled"])
    assert_served_once(paid_dispatcher, payment)
    paid_dispatcher.records.check(wallet, ["settled"])


def test_a_wallet_whose_deployment_takes_4000_bytes_can_pay(
    paid_dispatcher: PaidDispatcher,
) -> None:
    # Passkeys and wallets with modules make long calls; the factory ignores what follows its own.
    wallet, _ = _wallets(paid_dispatcher, is_deployed=False)
    long = replace(wallet, deployment=wallet.deployment + 4_000 * "00")
    assert is_served(paid_dispatcher.send(paid_dispatcher.signed(long)))
    paid_dispatcher.records.check(wallet, ["settled"])
