"""Finds what became of a signed transaction on Solana.

The fee payer's signature names a transaction, and at first only a facilitator knows it. If it was
not told, the transaction is found by its message among those of the payer's token account. It
proves that the money moved if it succeeded and the payee's balance of the token rose by the amount.

A transaction that is in no block can never get into one once its blockhash has expired.

Source: the Solana documentation (https://solana.com/docs/rpc).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from core import constants
from core.errors import DataError, FetchFailed
from core.ports import Json
from payments.chain.node import Node
from payments.chain.outcome import NO_PROOF, AuthorizationState, ChainProof, ClaimedPayment
from payments.chain.svm.authorization import SvmAuthorization, read_authorization
from payments.chain.svm.calls import FINALIZED, block_seconds, value_of
from payments.chain.svm.transaction import read_transaction
from tenants.addresses import encode_base58

_CLAIM_MARGIN_SECONDS = 300
"""How long before the claim a transaction may be: a blockhash is valid for one to two minutes, and
clocks differ. There is no limit after the claim, because a blockhash ages with the chain."""

_ENTRIES_MAX = 1_000
"""Transactions of an account that a node lists at most."""

_CANDIDATES_MAX = 20
"""Transactions that are read at most: those since then with the payment's memo, which is unique if
an official client made it."""


async def find_outcome(node: Node, payment: ClaimedPayment) -> ChainProof:
    """Find what became of a payment on the chain of a node that was checked.

    Raises `FetchFailed` if the node does not respond as it should.
    """
    signature = payment.transaction_id
    if signature and await _is_finalized(node, signature):
        proof = await _read_proof(node, payment, signature)
        if proof is not None:
            return proof
    signed = _signed(payment)
    has_expired, slot = await _has_expired(node, payment, signed.transaction.blockhash)
    source = encode_base58(signed.transfer.source)
    options = {**FINALIZED, "limit": _ENTRIES_MAX, "minContextSlot": slot}
    entries = _read_entries(await node.call("getSignaturesForAddress", [source, options]))
    candidates = [*_candidates(entries, payment, signed)]
    for candidate in candidates[:_CANDIDATES_MAX]:
        proof = await _read_proof(node, payment, candidate)
        if proof is not None:
            return proof
    is_void = (
        has_expired
        and len(candidates) <= _CANDIDATES_MAX
        and _reaches_back(entries, payment)
        and await _remembers(node, payment)
    )
    return ChainProof(AuthorizationState.VOID) if is_void else NO_PROOF


def _signed(payment: ClaimedPayment) -> SvmAuthorization:
    """Return what the payer of a payment that is not finished signed."""
    assert payment.proof is not None
    return read_authorization(json.loads(payment.proof)["paymentPayload"]["payload"])


async def _is_finalized(node: Node, signature: str) -> bool:
    """Tell whether the transaction with a signature is in a finalized block."""
    options = {"searchTransactionHistory": True}
    statuses = value_of(await node.call("getSignatureStatuses", [[signature], options]))
    if not isinstance(statuses, list) or len(statuses) != 1:
        raise FetchFailed("getSignatureStatuses: the result is not one status")
    status = statuses[0]
    return isinstance(status, dict) and status.get("confirmationStatus") == "finalized"


async def _has_expired(node: Node, payment: ClaimedPayment, blockhash: str) -> tuple[bool, Json]:
    """Tell whether a blockhash has expired, and as of which slot.

    A node also says so of one that is newer than its newest finalized block. So that block must
    be well after the claim, before which the payer got the blockhash.
    """
    result = await node.call("isBlockhashValid", [blockhash, FINALIZED])
    is_valid = value_of(result)
    context = result.get("context")
    slot = context.get("slot") if isinstance(context, dict) else None
    if type(is_valid) is not bool or type(slot) is not int:
        raise FetchFailed("isBlockhashValid: the result is not a Boolean with its slot")
    if is_valid:
        return False, slot
    latest_ms = await block_seconds(node, slot) * 1000
    if latest_ms > node.clock.now_ms() + constants.BLOCK_AHEAD_MS_MAX:
        raise FetchFailed("the newest finalized block is in the future")
    return latest_ms >= payment.claimed_at_ms + constants.EXPIRY_MARGIN_MS, slot


def _read_entries(found: Json) -> Sequence[Mapping[str, Json]]:
    """Check the list of an account's transactions, the newest first."""
    if not isinstance(found, list) or not all(
        isinstance(entry, dict)
        and isinstance(entry.get("signature"), str)
        and type(entry.get("blockTime")) is int
        for entry in found
    ):
        raise FetchFailed("getSignaturesForAddress: the result is not a list of transactions")
    return found


def _candidates(
    entries: Sequence[Mapping[str, Json]], payment: ClaimedPayment, signed: SvmAuthorization
) -> Iterator[str]:
    """Yield the signatures of those that may be the payment, by their time and their memos."""
    begin = payment.claimed_at_ms // 1000 - _CLAIM_MARGIN_SECONDS
    memos = signed.transaction.memos
    for entry in entries:
        memo = entry.get("memo")
        is_like = not isinstance(memo, str) or all(text in memo for text in memos)
        if is_like and entry["blockTime"] >= begin:
            yield entry["signature"]


def _reaches_back(entries: Sequence[Mapping[str, Json]], payment: ClaimedPayment) -> bool:
    """Tell whether a list has every transaction since the claim."""
    begin = payment.claimed_at_ms // 1000 - _CLAIM_MARGIN_SECONDS
    return len(entries) < _ENTRIES_MAX or entries[-1]["blockTime"] < begin


async def _remembers(node: Node, payment: ClaimedPayment) -> bool:
    """Tell whether a node still has the blocks since the claim."""
    first = await block_seconds(node, await node.call("getFirstAvailableBlock", []))
    return first * 1000 < payment.claimed_at_ms - _CLAIM_MARGIN_SECONDS * 1000


async def _read_proof(node: Node, payment: ClaimedPayment, signature: str) -> ChainProof | None:
    """Read what a finalized transaction did; None if it is not the payment's."""
    options = {**FINALIZED, "encoding": "base64", "maxSupportedTransactionVersion": 0}
    found = await node.call("getTransaction", [signature, options])
    wire, meta = (
        (found.get("transaction"), found.get("meta")) if isinstance(found, dict) else (None, None)
    )
    if not isinstance(wire, list) or not wire or not isinstance(meta, dict) or "err" not in meta:
        raise FetchFailed("getTransaction: the result is not a transaction and its outcome")
    try:
        transaction = read_transaction(str(wire[0]))
    except DataError:
        # Payments are of a kind that can be read.
        return None
    if transaction.message_hash != payment.nonce or (
        encode_base58(transaction.signatures[0]) != signature
    ):
        return None
    if meta["err"] is not None:
        return ChainProof(AuthorizationState.VOID, signature)
    received = _balance(meta, "postTokenBalances", payment) - _balance(
        meta, "preTokenBalances", payment
    )
    has_moved = received >= int(payment.amount)
    state = AuthorizationState.MOVED if has_moved else AuthorizationState.VOID
    return ChainProof(state, signature)


def _balance(meta: Mapping[str, Json], name: str, payment: ClaimedPayment) -> int:
    """Add up what the payee has of the token in the accounts of a transaction."""
    balances = meta.get(name)
    if not isinstance(balances, list):
        raise FetchFailed(f"getTransaction: it has no {name}")
    total = 0
    for entry in balances:
        amount = entry.get("uiTokenAmount") if isinstance(entry, dict) else None
        units = amount.get("amount") if isinstance(amount, dict) else None
        if not isinstance(units, str) or not units.isdecimal() or "owner" not in entry:
            raise FetchFailed(f"getTransaction: {name} is malformed")
        if (entry["owner"], entry.get("mint")) == (payment.pay_to, payment.asset):
            total += int(units)
    return total
