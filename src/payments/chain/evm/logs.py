"""Reads the events of a token that may belong to a payment.

Source: the Ethereum JSON-RPC specification (https://ethereum.github.io/execution-apis/), and EIP-20
for `Transfer`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core import constants
from core.ports import Json
from payments.chain.node import Node
from payments.chain.outcome import ClaimedPayment

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""The topic of `Transfer(address,address,uint256)`."""

WORD = re.compile(r"0x[0-9a-f]{64}", re.ASCII)
_BYTES = re.compile(r"0x(?:[0-9a-f]{2})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Log:
    """One event of a transaction, with its fields in lower case."""

    address: str
    topics: tuple[str, ...]
    data: str
    transaction: str


async def find_logs(
    node: Node, payment: ClaimedPayment, latest: int, topics: Sequence[Json]
) -> Iterator[Log]:
    """Return the events of a payment's token with these topics, since shortly before its claim.

    `latest` is the number of the latest block. Raises `FetchFailed`.
    """
    age_seconds = (node.clock.now_ms() - payment.claimed_at_ms) // 1000
    # These networks make less than one block per second; nodes reject wider ranges.
    span = min(age_seconds + constants.RPC_BLOCKS_BEFORE, constants.RPC_BLOCKS_MAX)
    wanted = {
        "address": payment.asset,
        "fromBlock": hex(max(0, latest - span)),
        "toBlock": "latest",
        "topics": topics,
    }
    return read_logs(await node.call("eth_getLogs", [wanted]), payment.asset)


def read_logs(found: Json, asset: str) -> Iterator[Log]:
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
        is_formed = WORD.fullmatch(transaction) and _BYTES.fullmatch(data)
        if address == asset.lower() and is_formed:
            yield Log(address, tuple(topic.lower() for topic in topics), data, transaction)


def word(address: str) -> str:
    """Return an address as a 32-byte word in hexadecimal."""
    return "0x" + address[2:].lower().rjust(64, "0")
