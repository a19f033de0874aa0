"""Every payment header is either parsed or rejected with a message."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.chain.authorization import InvalidPayload
from payments.payload import PaymentPayload, read_payment
from payments.requirements import PaymentRequirements, Resource
from tests.support.builders import REQUIREMENTS
from tests.support.fake_chain import NETWORK, PAYEE, PAYER, USDC

ACCEPTED = {
    "scheme": "exact",
    "network": NETWORK,
    "asset": USDC,
    "amount": "10000",
    "payTo": PAYEE,
}
AUTHORIZATION = {
    "from": PAYER,
    "to": PAYEE,
    "value": "10000",
    "validAfter": "0",
    "validBefore": "1795349100",
    "nonce": "0x" + "AB" * 32,
}
DOCUMENT: dict[str, Any] = {
    "x402Version": 2,
    "accepted": ACCEPTED,
    "payload": {"signature": "0x" + "12" * 65, "authorization": AUTHORIZATION},
}


def header(document: object) -> dict[str, str]:
    return {"payment-signature": base64.b64encode(json.dumps(document).encode()).decode()}


def read(document: object, requirements: PaymentRequirements = REQUIREMENTS) -> PaymentPayload:
    return matched(header(document), requirements)


def matched(headers: dict[str, str], requirements: PaymentRequirements) -> PaymentPayload:
    payment = read_payment(headers)
    assert payment is not None
    payment.match([requirements])
    return payment


def changed(**authorization: object) -> dict[str, Any]:
    signed = {**DOCUMENT["payload"], "authorization": {**AUTHORIZATION, **authorization}}
    return {**DOCUMENT, "payload": signed}


def test_a_request_without_a_payment_header_has_no_payment() -> None:
    assert read_payment({"accept": "*/*"}) is None


def test_addresses_are_not_case_sensitive() -> None:
    accepted = {**ACCEPTED, "asset": USDC.lower(), "payTo": PAYEE.upper().replace("0X", "0x")}
    payment = read({**DOCUMENT, "accepted": accepted})
    assert payment.payer == PAYER.lower()
    assert payment.authorization.nonce == "0x" + "ab" * 32


def test_integers_may_be_sent_as_json_numbers() -> None:
    payment = read(changed(validAfter=0, validBefore=1795349100, value=10000))
    assert payment.authorization.valid_before_ms == 1_795_349_100_000


def test_an_authorization_without_expiry_fits_into_the_ledger() -> None:
    signed = read(changed(validBefore=str(2**256 - 1))).authorization
    assert signed.valid_before_ms is not None
    assert signed.valid_before_ms < 2**63


def test_the_payment_id_depends_on_the_authorization_alone() -> None:
    name = "pay_0123456789abcdef"
    extensions = {"payment-identifier": {"info": {"required": False, "id": name}}}
    named = read({**DOCUMENT, "extensions": extensions})
    assert named.identifier == name
    assert named.payment_id(USDC) == read(DOCUMENT).payment_id(USDC)
    assert named.digest == read(DOCUMENT).digest
    other = read(changed(nonce="0x" + "00" * 32))
    assert other.payment_id(USDC) != named.payment_id(USDC)
    assert other.digest != named.digest


@pytest.mark.parametrize("name", ["short", "x" * 129, "has spaces in it now", 7, {}])
def test_an_invalid_identifier_is_rejected(name: object) -> None:
    extensions = {"payment-identifier": {"info": {"id": name}}}
    with pytest.raises(InvalidPayload, match="16 to 128"):
        read({**DOCUMENT, "extensions": extensions})


@pytest.mark.parametrize("extensions", [None, [], {}, {"payment-identifier": None}, "x"])
def test_other_extensions_are_ignored(extensions: object) -> None:
    assert read({**DOCUMENT, "extensions": extensions}).identifier is None


def test_the_facilitator_gets_the_payload_as_received_and_our_requirements() -> None:
    document = {**DOCUMENT, "unknown": {"kept": True}}
    proof = read(document).proof(REQUIREMENTS, Resource("http://h/", "GET", ""))
    body = json.loads(proof.text)
    assert body["paymentPayload"] == document
    assert body["paymentRequirements"]["payTo"] == PAYEE
    assert body["paymentRequirements"]["extra"] == {"name": "USDC", "version": "2"}


def test_a_network_without_a_version_1_name_requires_version_2() -> None:
    requirements = replace(REQUIREMENTS, network="eip155:999")
    document = {"x402Version": 1, "payload": DOCUMENT["payload"]}
    headers = {"x-payment": header(document)["payment-signature"]}
    with pytest.raises(InvalidPayload, match="use version 2"):
        matched(headers, requirements)


@pytest.mark.parametrize("part", ["accepted", "payload"])
@pytest.mark.parametrize("value", [None, 1, "x", [], {}])
def test_a_field_of_the_wrong_type_is_rejected(part: str, value: object) -> None:
    with pytest.raises(InvalidPayload):
        read({**DOCUMENT, part: value})


@pytest.mark.parametrize("accepted", [None, 1, "x", [], {}, {"scheme": []}])
def test_what_a_payment_of_version_1_has_as_accepted_does_not_matter(accepted: object) -> None:
    document = {**DOCUMENT, "x402Version": 1, "network": "base", "accepted": accepted}
    headers = {"x-payment": header(document)["payment-signature"]}
    with pytest.raises(InvalidPayload):
        matched(headers, REQUIREMENTS)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=8,
)


@given(st.text())
def test_any_text_is_rejected_with_a_message(value: str) -> None:
    with pytest.raises(InvalidPayload):
        matched({"payment-signature": value}, REQUIREMENTS)


@given(
    st.sampled_from(["x402Version", "accepted", "payload", "extensions"]),
    anything,
    st.sampled_from([*AUTHORIZATION]),
    anything,
)
def test_any_document_is_parsed_or_rejected_with_a_message(
    part: str, value: object, field: str, other: object
) -> None:
    for document in ({**DOCUMENT, part: value}, changed(**{field: other})):
        with suppress(InvalidPayload):
            assert len(read(document).payment_id(USDC)) == 32
