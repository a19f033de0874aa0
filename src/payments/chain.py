"""What the chain itself says of an authorization: used, cancelled, or never to be used.

Owns four questions to a JSON-RPC node and what their answers prove. Needed
when a facilitator's answer was lost: that a nonce is used does not tell by
what, and of an expired authorization a facilitator tells nothing at all.
Without `X402_RPC_URL` nobody is asked, and nothing is proved.

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
    """What became of an authorization."""

    MOVED = "moved"
    """It moved the money it was signed for, to whom it was signed for."""
    VOID = "void"
    """It never moved that money and never will: cancelled, used otherwise, or expired."""
    OPEN = "open"
    """Nothing is proved: it may still be used, or its traces are out of reach."""


@dataclass(frozen=True, slots=True)
class ChainProof:
    """A fate and the transaction that proves it, which may be empty."""

    fate: AuthorizationState
    transaction: str = ""


NOTHING = ChainProof(AuthorizationState.OPEN)


@dataclass(frozen=True, slots=True)
class Chain:
    """Asks the node that the deployment names, if it names one."""

    environment: Environment
    clock: Clock

    async def look(self, row: PaymentRow) -> ChainProof:
        """Find out what became of a payment's authorization.

        Nothing is proved when no node is configured, or it gives no answer.
        """
        url = self.environment.setting(RPC_SETTING)
        if url is None:
            return NOTHING
        try:
            return await self._look(url, row)
        except FetchFailed:
            return NOTHING

    async def _look(self, url: str, row: PaymentRow) -> ChainProof:
        owner, nonce = _word(row.payer), row.nonce
        block = await self._call(url, "eth_getBlockByNumber", ["latest", False])
        if not isinstance(block, dict):
            raise FetchFailed("the node has no newest block")
        newest, made_seconds = _number(block.get("number")), _number(block.get("timestamp"))
        data = _AUTHORIZATION_STATE + owner[2:] + nonce[2:]
        # Asked of that very block: behind one address are nodes that are not equally far.
        state = await self._call(url, "eth_call", [{"to": row.asset, "data": data}, hex(newest)])
        if not isinstance(state, str) or len(state) != len(owner):
            raise FetchFailed("the token does not tell the state of authorizations")
        is_used = int(state, 16) != 0
        if not is_used:
            # By the chain's own time: a node may be behind it, and our clock may be off.
            end_ms = row.valid_before_ms + constants.EXPIRY_MARGIN_MS
            return ChainProof(AuthorizationState.VOID) if made_seconds * 1000 >= end_ms else NOTHING
        age_seconds = (self.clock.now_ms() - row.claimed_at_ms) // 1000
        # One block a second is more than these networks make; nodes refuse wider ranges.
        span = min(age_seconds + constants.RPC_BLOCKS_BEFORE, constants.RPC_BLOCKS_MAX)
        wanted = {
            "address": row.asset,
            "fromBlock": hex(max(0, newest - span)),
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
        return NOTHING

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
            answer = read_json(fetched.body)
        except ValueError as error:
            raise FetchFailed(f"{method}: status {fetched.status}, and no JSON") from error
        if not isinstance(answer, dict) or "result" not in answer:
            raise FetchFailed(f"{method}: status {fetched.status}, and no result")
        return answer["result"]


def _read_receipt(receipt: Json, row: PaymentRow, transaction: str) -> ChainProof:
    """Tell whether a transaction that used the authorization moved the money as signed."""
    if not isinstance(receipt, dict) or not isinstance(receipt.get("logs"), list):
        return NOTHING
    wanted = [_TRANSFER, _word(row.payer), _word(row.pay_to)]
    for log in receipt["logs"]:
        is_token = str(log.get("address", "")).lower() == row.asset.lower()
        if is_token and _topics(log) == wanted and _number(log.get("data")) == int(row.amount):
            return ChainProof(AuthorizationState.MOVED, transaction)
    return ChainProof(AuthorizationState.VOID, transaction)


def _topics(log: Mapping[str, Json]) -> list[str]:
    return [str(topic).lower() for topic in log.get("topics", [])]


def _word(address: str) -> str:
    """Write an address as a word of 32 bytes."""
    return "0x" + address[2:].lower().rjust(64, "0")


def _number(value: Json) -> int:
    try:
        return int(str(value), 16)
    except ValueError as error:
        raise FetchFailed(f"{value!r} is no number") from error
