"""A mistyped address with letters of both cases is rejected."""

from __future__ import annotations

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from tenants.addresses import (
    checksummed,
    decode_base58,
    encode_base58,
    is_address,
    is_solana_address,
)
from tenants.records import parse_tenant
from tests.unit.tenants.test_records import REQUIRED, reasons

addresses = st.binary(min_size=20, max_size=20).map(lambda content: "0x" + content.hex())

PUBLISHED = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@pytest.mark.parametrize("address", PUBLISHED)
def test_the_examples_of_the_standard_are_valid(address: str) -> None:
    assert is_address(address)
    assert is_address(address.lower())
    assert is_address("0x" + address[2:].upper())
    assert not is_address(address[:-1] + ("0" if address[-1] != "0" else "1"))
    assert not is_address("0x" + address[2:].swapcase())


@given(addresses)
def test_checksums_agree_with_the_official_library(address: str) -> None:
    assert checksummed(address) == to_checksum_address(address)
    assert is_address(to_checksum_address(address))


@given(addresses, st.integers(2, 41))
def test_a_letter_in_the_wrong_case_is_detected(address: str, index: int) -> None:
    right = to_checksum_address(address)
    wrong = right[:index] + right[index].swapcase() + right[index + 1 :]
    if wrong != right and wrong[2:] not in (wrong[2:].lower(), wrong[2:].upper()):
        assert not is_address(wrong)


@pytest.mark.parametrize(
    "text", ["", "0x", "0X" + "a" * 40, "0x" + "a" * 39, "0x" + "g" * 40, "0x" + "٣" * 40]
)
def test_other_texts_are_no_addresses(text: str) -> None:
    assert not is_address(text)


def test_a_record_with_a_mistyped_payee_is_rejected() -> None:
    mistyped = "0xBcd4042DE499D14e55001CcbB24a551F3b954097"
    (reason,) = reasons(payTo=mistyped)
    assert reason.startswith("payTo must be an address whose letter case has the checksum")
    assert parse_tenant({**REQUIRED, "payTo": mistyped.lower()}, "r").pay_to == mistyped.lower()


@given(st.binary(max_size=64))
def test_base58_is_read_as_it_is_written(content: bytes) -> None:
    text = encode_base58(content)
    if content:
        assert decode_base58(text, len(content)) == content
        assert decode_base58("1" + text, len(content)) is None
    assert decode_base58(text, len(content) + 1) is None


@pytest.mark.parametrize(
    ("text", "size", "content"),
    [
        # From the test vectors of draft-msporny-base58.
        ("2NEpo7TZRRrLZSi2U", 12, b"Hello World!"),
        ("11233QC4", 6, bytes.fromhex("0000287fb4cd")),
        ("1" * 32, 32, bytes(32)),
    ],
)
def test_base58_is_that_of_the_draft(text: str, size: int, content: bytes) -> None:
    assert decode_base58(text, size) == content


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 43,
        "O" * 43,
        "I" * 43,
        "l" * 43,
        "1" * 31,
        "1" * 33,
        "z" * 44,
        "é" * 40,
        "1" * 10**6,
    ],
)
def test_what_is_no_address_on_solana_is_refused(text: str) -> None:
    assert not is_solana_address(text)
