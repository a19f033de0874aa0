"""Calls of nodes of Solana, as of finalized blocks, which never change.

Source: the Solana documentation (https://solana.com/docs/rpc).
"""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import FetchFailed
from core.ports import Json
from payments.chain.node import RPC_SETTING, Node

FINALIZED: Mapping[str, Json] = {"commitment": "finalized"}
_REFERENCE_LETTERS = 32


async def check_chain(node: Node, network: str) -> None:
    """Raise `FetchFailed` unless the node is one of `network`, in CAIP-2 form."""
    found = f"solana:{str(await node.call('getGenesisHash', []))[:_REFERENCE_LETTERS]}"
    if found != network:
        raise FetchFailed(f"{RPC_SETTING} is a node of {found}, not of {network}")


async def block_seconds(node: Node, slot: Json) -> int:
    """Return the time of a block in seconds since 1970. Raises `FetchFailed`."""
    found = await node.call("getBlockTime", [slot])
    if type(found) is not int:
        raise FetchFailed("getBlockTime: the result is not a time")
    return found


def value_of(result: Json) -> Json:
    """Return the `value` of a result that has one. Raises `FetchFailed`."""
    if not isinstance(result, dict) or "value" not in result:
        raise FetchFailed("a result has no value")
    return result["value"]
