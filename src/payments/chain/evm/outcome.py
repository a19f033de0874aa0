"""Finds the state of what a payer signed, by EIP-3009 or for Permit2.

A used nonce alone does not prove which transaction used it, and facilitators say nothing about
expired authorizations.

Source: EIP-3009 for `authorizationState` and the events.
"""

from __future__ import annotations

import json

from core import constants
from core.errors import FetchFailed
from core.ports import Json
from payments.chain.evm.calls import contract_call, quantity
from payments.chain.evm.logs import TRANSFER, WORD, find_logs, read_logs, word
from payments.chain.node import Node
from payments.chain.outcome import NO_PROOF, AuthorizationState, ChainProof, ClaimedPayment

_AUTHORIZATION_STATE = "0xe94a0102"
"""The selector of `authorizationState(address,bytes32)`."""

_USED = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5"
"""The topic of `AuthorizationUsed(address,bytes32)`."""

_CANCELED = "0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81"
"""The topic of `AuthorizationCanceled(address,bytes32)`."""

_SUCCEEDED = "0x1"
_WORD_BYTES = 32
_TRANSFER_TOPICS = 3


async def find_outcome(node: Node, payment: ClaimedPayment) -> ChainProof:
    """Find what became of a payment on the chain of a node that was checked.

    Raises `FetchFailed` if the node does not respond as it should.
    """
    block = await node.call("eth_getBlockByNumber", ["latest", False])
    if not isinstance(block, dict):
        raise FetchFailed("the node has no latest block")
    latest, block_seconds = quantity(block.get("number")), quantity(block.get("timestamp"))
    proof = json.loads(payment.proof or "{}")
    if "permit2Authorization" in proof.get("paymentPayload", {}).get("payload", {}):
        # Imported here, as in `authorization`.
        from payments.chain.evm import permit2  # noqa: PLC0415

        if await permit2.is_nonce_used(node, payment, hex(latest)):
            scheme = proof["paymentRequirements"]["scheme"]
            return await permit2.find_settlement(node, payment, scheme, latest)
        return _expiry(node, payment, block_seconds)
    data = _AUTHORIZATION_STATE + word(payment.payer)[2:] + payment.nonce[2:]
    # Queried at that block: the nodes behind one address may be at different blocks.
    state = await contract_call(node, payment.asset, data, hex(latest))
    if len(state) != _WORD_BYTES:
        raise FetchFailed("the token returned no authorization state")
    if any(state):
        return await _find_use(node, payment, latest)
    return _expiry(node, payment, block_seconds)


def _expiry(node: Node, payment: ClaimedPayment, block_seconds: int) -> ChainProof:
    """Return whether an authorization that is unused in a block can never be used any more."""
    if block_seconds * 1000 > node.clock.now_ms() + constants.BLOCK_AHEAD_MS_MAX:
        raise FetchFailed("the latest block is in the future")
    # Compared with the block's time: the node may lag, and our clock may be wrong.
    has_expired = block_seconds * 1000 >= payment.valid_before_ms + constants.EXPIRY_MARGIN_MS
    return ChainProof(AuthorizationState.VOID) if has_expired else NO_PROOF


async def _find_use(node: Node, payment: ClaimedPayment, latest: int) -> ChainProof:
    """Find the transaction that used the authorization, and what it did."""
    name = (word(payment.payer), payment.nonce)
    uses = ((_USED, *name), (_CANCELED, *name))
    for log in await find_logs(node, payment, latest, [[_USED, _CANCELED], *name]):
        if log.topics in uses:
            receipt = await node.call("eth_getTransactionReceipt", [log.transaction])
            return _read_receipt(receipt, payment, log.transaction)
    return NO_PROOF


def _read_receipt(receipt: Json, row: ClaimedPayment, transaction: str) -> ChainProof:
    """Check what the transaction that used the authorization did.

    It proves something only if it succeeded and has the event of the use. If it used several
    authorizations, the transfer of each is between its use and the next.
    """
    if (
        not isinstance(receipt, dict)
        or receipt.get("status") != _SUCCEEDED
        or str(receipt.get("transactionHash")).lower() != transaction
    ):
        return NO_PROOF
    logs = [
        log for log in read_logs(receipt.get("logs"), row.asset) if log.transaction == transaction
    ]
    payer = word(row.payer)
    if any(log.topics == (_CANCELED, payer, row.nonce) for log in logs):
        return ChainProof(AuthorizationState.VOID, transaction)
    uses = [index for index, log in enumerate(logs) if log.topics[:1] == (_USED,)]
    own = [index for index in uses if logs[index].topics == (_USED, payer, row.nonce)]
    if len(own) != 1:
        return NO_PROOF
    if len(uses) > 1:
        end = next((index for index in uses if index > own[0]), len(logs))
        logs = logs[own[0] : end]
    transfers = [
        log
        for log in logs
        if log.topics[:2] == (TRANSFER, payer)
        and len(log.topics) == _TRANSFER_TOPICS
        and WORD.fullmatch(log.data)
    ]
    amount = f"0x{int(row.amount):064x}"
    wanted = (TRANSFER, payer, word(row.pay_to))
    if any(log.topics == wanted and log.data == amount for log in transfers):
        return ChainProof(AuthorizationState.MOVED, transaction)
    # Without a transfer of the payer the receipt may be incomplete.
    return ChainProof(AuthorizationState.VOID, transaction) if transfers else NO_PROOF
