"""Calls of nodes of EVM networks.

Source: the Ethereum JSON-RPC specification (https://ethereum.github.io/execution-apis/).
"""

from __future__ import annotations

import re

from core.errors import FetchFailed
from core.ports import Json
from payments.chain.node import RPC_SETTING, Node

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}", re.ASCII)
_BYTES = re.compile(r"0x(?:[0-9a-fA-F]{2})*", re.ASCII)


async def check_chain(node: Node, network: str) -> None:
    """Raise `FetchFailed` unless the node is one of `network`, in CAIP-2 form."""
    found = f"eip155:{quantity(await node.call('eth_chainId', []))}"
    if found != network:
        raise FetchFailed(f"{RPC_SETTING} is a node of {found}, not of {network}")


async def contract_call(node: Node, address: str, data: str, block: str) -> bytes:
    """Call a contract's function, without a transaction, as of a block.

    `data` and `block` are hexadecimal, or `latest`. Returns what the function returns; no bytes
    if there is no contract. Raises `FetchFailed`.
    """
    result = await node.call("eth_call", [{"to": address, "data": data}, block])
    if not isinstance(result, str) or not _BYTES.fullmatch(result):
        raise FetchFailed("eth_call: the result is not bytes in hexadecimal")
    return bytes.fromhex(result[2:])


def quantity(value: Json) -> int:
    """Read a number of a node: hexadecimal after `0x`. Raises `FetchFailed` for anything else."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise FetchFailed("a number is not in hexadecimal")
    return int(value, 16)
