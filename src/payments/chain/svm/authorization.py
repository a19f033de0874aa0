"""Reads what a payer signed on Solana: a transaction whose fee the facilitator pays.

Source: the scheme `exact` for SVM (https://github.com/coinbase/x402, specs/schemes/exact).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from core.ports import Json
from payments.chain.authorization import InvalidPayload, match
from payments.chain.svm.accounts import token_account
from payments.chain.svm.transaction import (
    Transaction,
    TransactionUnreadable,
    Transfer,
    read_transaction,
)
from payments.requirements import PaymentRequirements
from tenants.addresses import decode_base58, encode_base58

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class SvmAuthorization:
    """A signed transaction and its transfer.

    The chain executes a message at most once, so the message is the nonce, whatever signature of
    the fee payer it comes with.
    """

    transaction: Transaction
    transfer: Transfer
    valid_before_ms: None = None
    expired: str = ""

    @property
    def payer(self) -> str:
        """The payer's address."""
        return encode_base58(self.transfer.authority)

    @property
    def nonce(self) -> str:
        """What distinguishes it from the payer's others."""
        return self.transaction.message_hash

    @property
    def asset(self) -> str:
        """The token's mint."""
        return encode_base58(self.transfer.mint)

    @property
    def extra(self) -> Mapping[str, Json]:
        """The account that pays the fee. A facilitator accepts only one that it has the key of."""
        return {"feePayer": encode_base58(self.transaction.accounts[0])}

    @property
    def digest(self) -> str:
        """A hash of what was signed and of all signatures but that of the fee payer."""
        parts = (self.transaction.message, *self.transaction.signatures[1:])
        return hashlib.sha256(b"".join(parts)).hexdigest()

    def check_terms(self, requirements: PaymentRequirements) -> None:
        """Raise `InvalidPayload` if it does not pay what is required to the required payee."""
        transfer, network = self.transfer, requirements.network
        match("transaction.mint", self.asset, requirements.asset, network)
        match("transaction.amount", str(transfer.amount), requirements.amount)
        owner = decode_base58(requirements.pay_to, _KEY_BYTES)
        assert owner is not None
        wanted = token_account(owner, transfer.program, transfer.mint)
        destination = encode_base58(transfer.destination)
        match("transaction.destination", destination, encode_base58(wanted), network)


def read_authorization(payload: Json) -> SvmAuthorization:
    """Read the field `payload` of a payment. Raises `InvalidPayload` if it is malformed."""
    text = payload.get("transaction") if isinstance(payload, dict) else None
    if not isinstance(text, str):
        raise InvalidPayload("invalid_payload", "The payment lacks the text `payload.transaction`.")
    try:
        transaction = read_transaction(text)
        transfer = transaction.transfer()
    except TransactionUnreadable as error:
        raise InvalidPayload(
            "invalid_payload", f"`payload.transaction` is unusable: {error}."
        ) from error
    if transaction.has_durable_nonce:
        raise InvalidPayload(
            "invalid_payload",
            "The transaction has a durable nonce, so it would not expire: sign one with a recent"
            " blockhash.",
        )
    return SvmAuthorization(transaction, transfer)
