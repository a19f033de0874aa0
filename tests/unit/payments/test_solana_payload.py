"""A payment on Solana is identified by what its payer signed, and pays exactly what is required."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.chain.authorization import InvalidPayload
from payments.payload import PaymentPayload, read_payment
from payments.requirements import PaymentRequirements, Resource, accepts_entry
from tests.support import fake_solana
from tests.support.fake_solana import (
    BUYER,
    FEE_PAYER,
    NETWORK,
    OFFICIAL,
    PAYEE,
    SYSTEM_PROGRAM,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    USDC,
    Instruction,
    Payment,
    account_of,
    transfer,
)
from tests.support.payment_scene import encode

REQUIREMENTS = PaymentRequirements(
    network=NETWORK,
    asset=USDC,
    amount="10000",
    amount_micros=10_000,
    decimals=6,
    pay_to=PAYEE,
    max_timeout_seconds=300,
    extra={},
)
OTHER = "Bf8S69uG7GL3UYjjgKmF459bsthu6NQvpuy8GF8HdjL3"
OTHER_MINT = "CXk2AMBfi3TwaEL2468s6zP8xq9NxTXjp9gjMgzeUynM"
VERSION_1 = "solana-devnet"
DURABLE = Instruction(SYSTEM_PROGRAM, (OTHER, BUYER), (4).to_bytes(4, "little"))


def read(text: str, requirements: PaymentRequirements = REQUIREMENTS) -> PaymentPayload:
    accepted = accepts_entry(requirements)
    return _matched(
        {"x402Version": 2, "accepted": accepted, "payload": {"transaction": text}}, requirements
    )


def _matched(
    document: dict[str, Any], requirements: PaymentRequirements = REQUIREMENTS
) -> PaymentPayload:
    name = "payment-signature" if document["x402Version"] > 1 else "x-payment"
    payment = read_payment({name: encode(document)})
    assert payment is not None
    payment.match([requirements])
    return payment


def test_what_the_official_client_signs_is_read() -> None:
    payment = read(OFFICIAL)
    assert payment.payer == BUYER
    assert payment.authorization.asset == USDC
    assert payment.authorization.extra == {"feePayer": FEE_PAYER}
    assert payment.authorization.valid_before_ms is None


def test_a_payee_has_a_token_where_the_official_library_says() -> None:
    assert account_of(PAYEE) == fake_solana.PAYEE_ACCOUNT
    assert account_of(BUYER) == "4gQveQ7X9xu4aYNFzn7EWMzJDwgM7u9ZXVc9tSDUoJNe"


def test_a_transaction_is_one_payment_whatever_the_fee_payers_signature() -> None:
    plain, signed = read(Payment().text), read(fake_solana.executed_text(Payment().text))
    assert plain.payment_id("") == signed.payment_id("")
    assert plain.digest == signed.digest


def test_a_transaction_is_one_payment_in_both_versions_of_x402() -> None:
    document = {
        "x402Version": 1,
        "scheme": "exact",
        "network": VERSION_1,
        "payload": {"transaction": OFFICIAL},
    }
    assert _matched(document).payment_id("anything") == read(OFFICIAL).payment_id("")


def test_another_message_is_another_payment() -> None:
    assert read(Payment(1).text).payment_id("") != read(Payment(2).text).payment_id("")


def test_without_the_payers_signature_nobody_is_taken_for_the_payer() -> None:
    forged = replace(Payment(), signatures=(bytes(64), bytes(64)))
    assert read(forged.text).payment_id("") == read(Payment().text).payment_id("")
    assert read(forged.text).digest != read(Payment().text).digest


@pytest.mark.parametrize("end", ["\n", " ", "AA=="])
def test_a_transaction_has_no_other_spelling(end: str) -> None:
    with pytest.raises(InvalidPayload, match="is unusable"):
        read(Payment().text + end)
    with pytest.raises(InvalidPayload, match="is unusable"):
        read(" " + Payment().text)


def test_the_last_bits_of_base64_make_no_other_payment() -> None:
    whole = Payment(suffix=b"\x00").text
    text = whole if whole.endswith("=") else Payment(instructions=(transfer(), transfer())).text
    stem = text.rstrip("=")
    same = stem[:-1] + chr(ord(stem[-1]) + 1) + "=" * (len(text) - len(stem))
    assert base64.b64decode(same) == base64.b64decode(text)
    assert read(same).payment_id("") == read(text).payment_id("")


@pytest.mark.parametrize(
    ("payment", "field"),
    [
        (Payment(instructions=(transfer(9_999),)), "transaction.amount"),
        (Payment(instructions=(transfer(10_001),)), "transaction.amount"),
        (Payment(instructions=(transfer(mint=OTHER_MINT),)), "transaction.mint"),
        (
            Payment(instructions=(transfer(destination=account_of(OTHER)),)),
            "transaction.destination",
        ),
        (Payment(instructions=(transfer(destination=PAYEE),)), "transaction.destination"),
        (
            Payment(instructions=(transfer(program=TOKEN_2022_PROGRAM),)),
            "transaction.destination",
        ),
    ],
)
def test_another_amount_token_or_payee_is_named(payment: Payment, field: str) -> None:
    with pytest.raises(InvalidPayload, match=field) as raised:
        read(payment.text)
    assert raised.value.reason == "payment_mismatch"


def test_the_account_of_token_2022_is_that_of_its_program() -> None:
    destination = account_of(PAYEE, program=TOKEN_2022_PROGRAM)
    paying = transfer(program=TOKEN_2022_PROGRAM, destination=destination)
    assert read(Payment(instructions=(paying,)).text).payer == BUYER


@pytest.mark.parametrize("field", ["network", "asset", "payTo"])
def test_letter_case_makes_a_difference(field: str) -> None:
    accepted = accepts_entry(REQUIREMENTS)
    accepted[field] = accepted[field].swapcase()
    document = {"x402Version": 2, "accepted": accepted, "payload": {"transaction": OFFICIAL}}
    with pytest.raises(InvalidPayload):
        _matched(document)


def test_further_instructions_are_left_to_the_facilitator() -> None:
    back = transfer(5_000, destination=account_of(OTHER))
    assert read(Payment(instructions=(transfer(), back)).text).payer == BUYER
    with pytest.raises(InvalidPayload, match="amount"):
        read(Payment(instructions=(back, transfer())).text)


@pytest.mark.parametrize(
    ("payment", "message"),
    [
        (Payment(instructions=()), "no transfer"),
        (Payment(prefix=b"\x81"), "version is 1"),
        (Payment(signers=(BUYER,), signatures=(bytes(64),)), "pays its fee"),
        (Payment(signers=(FEE_PAYER,), signatures=(bytes(64),)), "did not sign"),
        (Payment(signatures=(bytes(64),)), "signatures do not fit"),
        (Payment(suffix=b"\x00\x00"), "something follows"),
        (Payment(suffix=b""), "ends too early"),
        (Payment(suffix=b"\x80\x00"), "shortest form"),
        (
            Payment(
                instructions=(Instruction(TOKEN_PROGRAM, transfer().accounts, b"\x03" + bytes(8)),)
            ),
            "TransferChecked",
        ),
        (Payment(instructions=(transfer(),) * 60), "1232 bytes"),
    ],
)
def test_what_cannot_be_a_payment_is_refused_with_the_reason(
    payment: Payment, message: str
) -> None:
    with pytest.raises(InvalidPayload, match=message) as raised:
        read(payment.text)
    assert raised.value.reason == "invalid_payload"


def test_a_transaction_that_does_not_expire_is_refused() -> None:
    with pytest.raises(InvalidPayload, match="durable nonce"):
        read(Payment(instructions=(DURABLE, transfer())).text)


def test_a_nonce_is_durable_only_if_it_is_advanced_first() -> None:
    assert read(Payment(instructions=(transfer(), DURABLE)).text).payer == BUYER


def test_a_legacy_transaction_is_read() -> None:
    assert read(Payment(prefix=b"", suffix=b"").text).payer == BUYER


@pytest.mark.parametrize("payload", [None, [], {}, {"transaction": 1}, {"authorization": {}}])
def test_a_payload_of_another_chain_is_refused(payload: object) -> None:
    document = {"x402Version": 2, "accepted": accepts_entry(REQUIREMENTS), "payload": payload}
    with pytest.raises(InvalidPayload, match="transaction"):
        _matched(document)


@given(st.binary(max_size=1_300))
def test_any_bytes_are_a_transaction_or_refused(content: bytes) -> None:
    with pytest.raises(InvalidPayload):
        read(base64.b64encode(content).decode())


@given(st.integers(0, 1_000), st.integers(0, 255))
def test_a_changed_byte_makes_another_payment_or_none(index: int, byte: int) -> None:
    content = bytearray(base64.b64decode(OFFICIAL))
    index %= len(content)
    changed = content[index] != byte
    content[index] = byte
    try:
        found = read(base64.b64encode(content).decode())
    except InvalidPayload:
        return
    is_signature = 1 <= index < 1 + 2 * 64
    same_id = found.payment_id("") == read(OFFICIAL).payment_id("")
    assert same_id is (is_signature or not changed)


def test_the_facilitator_gets_the_fee_payer_of_the_transaction() -> None:
    proof = read(OFFICIAL).proof(REQUIREMENTS, Resource("http://h/", "GET", ""))
    wanted = json.loads(proof.text)["paymentRequirements"]
    assert wanted["extra"] == {"feePayer": FEE_PAYER}
    assert (proof.payer, proof.network, proof.asset) == (BUYER, NETWORK, USDC)
