"""Queries the blockchain, through a JSON-RPC node, for the state of an authorization.

This is needed if a facilitator's response was lost. A used nonce alone does not prove which
transaction used it, and facilitators say nothing about expired authorizations. Without the
setting `X402_RPC_URL` there is no query and no proof.

Sources: EIP-3009 for `authorizationState` and the events; the Ethereum JSON-RPC
specification (https://ethereum.github.io/execution-apis/).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from core import constants
from core.errors import FetchFailed
from core.ports import Clock, Environment, Json
from core.safe_json import read_json
from payments.models import PaymentRow

RPC_SETTING = "X402_RPC_URL"
_AUTHORIZATION_STATE = "0xe94a0102"
"""The selector of `authorizationState(address,bytes32)`."""

_USED = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5"
"""The topic of `AuthorizationUsed(address,bytes32)`."""

_CANCELED = "0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81"
"""The topic of `AuthorizationCanceled(address,bytes32)`."""

_TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""The topic of `Transfer(address,address,uint256)`."""


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
class Chain:
    """A client of the configured JSON-RPC node, if there is one."""

    environment: Environment
    clock: Clock

    async def query(self, row: PaymentRow) -> ChainProof:
        """Query the state of a payment's authorization.

        Returns `NO_PROOF` if no node is configured or it does not respond.
        """
        url = self.environment.setting(RPC_SETTING)
        if url is None:
            return NO_PROOF
        try:
            return await self._query(url, row)
        except FetchFailed:
            return NO_PROOF

    async def _query(self, url: str, row: PaymentRow) -> ChainProof:
        owner, nonce = _word(row.payer), row.nonce
        block = await self._call(url, "eth_getBlockByNumber", ["latest", False])
        if not isinstance(block, dict):
            raise FetchFailed("the node has no latest block")
        latest, block_seconds = _number(block.get("number")), _number(block.get("timestamp"))
        data = _AUTHORIZATION_STATE + owner[2:] + nonce[2:]
        # Queried at that block: the nodes behind one address may be at different blocks.
        state = await self._call(url, "eth_call", [{"to": row.asset, "data": data}, hex(latest)])
        if not isinstance(state, str) or len(state) != len(owner):
            raise FetchFailed("the token returned no authorization state")
        is_used = int(state, 16) != 0
        if not is_used:
            # Compared with the block's time: the node may lag, and our clock may be wrong.
            end_ms = row.valid_before_ms + constants.EXPIRY_MARGIN_MS
            has_expired = block_seconds * 1000 >= end_ms
            return ChainProof(AuthorizationState.VOID) if has_expired else NO_PROOF
        age_seconds = (self.clock.now_ms() - row.claimed_at_ms) // 1000
        # These networks make less than one block per second; nodes reject wider ranges.
        span = min(age_seconds + constants.RPC_BLOCKS_BEFORE, constants.RPC_BLOCKS_MAX)
        wanted = {
            "address": row.asset,
            "fromBlock": hex(max(0, latest - span)),
            "toBlock": "latest",
            "topics": [[_USED, _CANCELED], owner, nonce],
        }
        found = await self._call(url, "eth_getLogs", [wanted])
        for log in found if isinstance(found, list) else []:
            transaction = str(log.get("transactionHash", ""))
            if _topics(log)[:1] == [_CANCELED]:
                return ChainProof(AuthorizationState.VOID, transaction)
            receipt = await self._call(url, "eth_getTransactionReceipt", [transaction])
            return _read_receipt(receipt, row, transaction)
        return NO_PROOF

    async def _call(self, url: str, method: str, parameters: Sequence[Json]) -> Json:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        fetched = await self.environment.fetcher.fetch(
            url,
            method="POST",
            headers={"content-type": "application/json"},
            body=json.dumps(body, separators=(",", ":")),
            timeout_ms=constants.RPC_TIMEOUT_MS,
            body_bytes_max=constants.RPC_BODY_BYTES_MAX,
        )
        try:
            document = read_json(fetched.body)
        except ValueError as error:
            raise FetchFailed(f"{method}: status {fetched.status}, and no JSON") from error
        if not isinstance(document, dict) or "result" not in document:
            raise FetchFailed(f"{method}: status {fetched.status}, and no result")
        return document["result"]


def _read_receipt(receipt: Json, row: PaymentRow, transaction: str) -> ChainProof:
    """Check whether the transaction that used the authorization moved the signed amount."""
    if not isinstance(receipt, dict) or not isinstance(receipt.get("logs"), list):
        return NO_PROOF
    wanted = [_TRANSFER, _word(row.payer), _word(row.pay_to)]
    for log in receipt["logs"]:
        is_token = str(log.get("address", "")).lower() == row.asset.lower()
        if is_token and _topics(log) == wanted and _number(log.get("data")) == int(row.amount):
            return ChainProof(AuthorizationState.MOVED, transaction)
    return ChainProof(AuthorizationState.VOID, transaction)


def _topics(log: Mapping[str, Json]) -> list[str]:
    return [str(topic).lower() for topic in log.get("topics", [])]


def _word(address: str) -> str:
    """Return an address as a 32-byte word in hexadecimal."""
    return "0x" + address[2:].lower().rjust(64, "0")


def _number(value: Json) -> int:
    try:
        return int(str(value), 16)
    except ValueError as error:
        raise FetchFailed(f"{value!r} is not a number") from error
