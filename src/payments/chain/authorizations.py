"""Queries the blockchain, through a JSON-RPC node, for the state of an authorization.

This is needed if a facilitator's response was lost. A used nonce alone does not prove which
transaction used it, and facilitators say nothing about expired authorizations. Without the
setting `X402_RPC_URL` there is no query and no proof.

A response that is malformed or contradicts another one proves nothing: neither that the money
moved nor that it never will.

Source: EIP-3009 for `authorizationState` and the events.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from core import constants
from core.errors import ConfigurationError, FetchFailed
from core.ports import Clock, Environment, Json
from payments.chain.node import Node, node_url, quantity
from payments.models import PaymentRow, payment_fields

_LOGGER = logging.getLogger(__name__)
_AUTHORIZATION_STATE = "0xe94a0102"
"""The selector of `authorizationState(address,bytes32)`."""

_USED = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5"
"""The topic of `AuthorizationUsed(address,bytes32)`."""

_CANCELED = "0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81"
"""The topic of `AuthorizationCanceled(address,bytes32)`."""

_TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""The topic of `Transfer(address,address,uint256)`."""

_SUCCEEDED = "0x1"
_WORD_BYTES = 32
_WORD = re.compile(r"0x[0-9a-f]{64}", re.ASCII)
_BYTES = re.compile(r"0x(?:[0-9a-f]{2})*", re.ASCII)
_TRANSFER_TOPICS = 3


class AuthorizationState(Enum):
    """The state of an authorization on the chain."""

    MOVED = "moved"
    """The signed amount moved to the signed payee."""
    VOID = "void"
    """It did not move that amount and never will: canceled, used otherwise, or expired."""
    OPEN = "open"
    """Nothing is proven: it may still be used, or its transaction was not found."""


@dataclass(frozen=True, slots=True)
class ChainProof:
    """The state of an authorization and the transaction that proves it, which may be empty."""

    state: AuthorizationState
    transaction: str = ""


NO_PROOF = ChainProof(AuthorizationState.OPEN)


@dataclass(frozen=True, slots=True)
class Log:
    """One event of a transaction, with its fields in lower case."""

    address: str
    topics: tuple[str, ...]
    data: str
    transaction: str


@dataclass(frozen=True, slots=True)
class Chain:
    """Queries the node of a payment's network, if one is configured.

    A node's chain is checked again every `CHAIN_CACHE_SECONDS`.
    """

    environment: Environment
    clock: Clock
    _checked: dict[tuple[str, str], int] = field(default_factory=dict)
    """When a node was found to be one of a network, by URL and network, in milliseconds."""

    async def query(self, row: PaymentRow) -> ChainProof:
        """Query the state of a payment's authorization.

        Returns `NO_PROOF` if no node of the payment's network is configured, or it does not
        respond as it should.
        """
        try:
            url = node_url(self.environment, row.network, may_have_changed=True)
            return NO_PROOF if url is None else await self._query(url, row)
        except (ConfigurationError, FetchFailed) as error:
            _LOGGER.warning("chain_proves_nothing", extra=payment_fields(row, error))
            return NO_PROOF

    async def _query(self, url: str, row: PaymentRow) -> ChainProof:
        node = Node(self.environment, self.clock, url)
        await self._check_chain(node, row.network)
        block = await node.call("eth_getBlockByNumber", ["latest", False])
        if not isinstance(block, dict):
            raise FetchFailed("the node has no latest block")
        latest, block_seconds = quantity(block.get("number")), quantity(block.get("timestamp"))
        data = _AUTHORIZATION_STATE + _word(row.payer)[2:] + row.nonce[2:]
        # Queried at that block: the nodes behind one address may be at different blocks.
        state = await node.contract_call(row.asset, data, hex(latest))
        if len(state) != _WORD_BYTES:
            raise FetchFailed("the token returned no authorization state")
        if any(state):
            return await self._find_use(node, row, latest)
        if block_seconds * 1000 > self.clock.now_ms() + constants.BLOCK_AHEAD_MS_MAX:
            raise FetchFailed("the latest block is in the future")
        # Compared with the block's time: the node may lag, and our clock may be wrong.
        has_expired = block_seconds * 1000 >= row.valid_before_ms + constants.EXPIRY_MARGIN_MS
        return ChainProof(AuthorizationState.VOID) if has_expired else NO_PROOF

    async def _check_chain(self, node: Node, network: str) -> None:
        key, now_ms = (node.url, network), self.clock.now_ms()
        since_ms = self._checked.get(key)
        if since_ms is None or now_ms - since_ms >= constants.CHAIN_CACHE_SECONDS * 1000:
            await node.check_chain(network)
            self._checked[key] = now_ms

    async def _find_use(self, node: Node, row: PaymentRow, latest: int) -> ChainProof:
        """Find the transaction that used the authorization, and what it did."""
        age_seconds = (self.clock.now_ms() - row.claimed_at_ms) // 1000
        # These networks make less than one block per second; nodes reject wider ranges.
        span = min(age_seconds + constants.RPC_BLOCKS_BEFORE, constants.RPC_BLOCKS_MAX)
        name = (_word(row.payer), row.nonce)
        wanted = {
            "address": row.asset,
            "fromBlock": hex(max(0, latest - span)),
            "toBlock": "latest",
            "topics": [[_USED, _CANCELED], *name],
        }
        found = await node.call("eth_getLogs", [wanted])
        uses = ((_USED, *name), (_CANCELED, *name))
        for log in _read_logs(found, row.asset):
            if log.topics in uses:
                receipt = await node.call("eth_getTransactionReceipt", [log.transaction])
                return _read_receipt(receipt, row, log.transaction)
        return NO_PROOF


def _read_receipt(receipt: Json, row: PaymentRow, transaction: str) -> ChainProof:
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
        log for log in _read_logs(receipt.get("logs"), row.asset) if log.transaction == transaction
    ]
    payer = _word(row.payer)
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
        if log.topics[:2] == (_TRANSFER, payer)
        and len(log.topics) == _TRANSFER_TOPICS
        and _WORD.fullmatch(log.data)
    ]
    amount = f"0x{int(row.amount):064x}"
    wanted = (_TRANSFER, payer, _word(row.pay_to))
    if any(log.topics == wanted and log.data == amount for log in transfers):
        return ChainProof(AuthorizationState.MOVED, transaction)
    # Without a transfer of the payer the receipt may be incomplete.
    return ChainProof(AuthorizationState.VOID, transaction) if transfers else NO_PROOF


def _read_logs(found: Json, asset: str) -> Iterator[Log]:
    """Yield the events of a token in a node's list; malformed and removed ones are skipped."""
    for log in found if isinstance(found, list) else []:
        if not isinstance(log, dict) or log.get("removed", False) is not False:
            continue
        topics = log.get("topics")
        texts: list[Json] = [log.get("address"), log.get("transactionHash"), log.get("data")]
        if not isinstance(topics, list) or not all(
            isinstance(text, str) for text in [*topics, *texts]
        ):
            continue
        address, transaction, data = (text.lower() for text in texts)
        is_formed = _WORD.fullmatch(transaction) and _BYTES.fullmatch(data)
        if address == asset.lower() and is_formed:
            yield Log(address, tuple(topic.lower() for topic in topics), data, transaction)


def _word(address: str) -> str:
    """Return an address as a 32-byte word in hexadecimal."""
    return "0x" + address[2:].lower().rjust(64, "0")
