"""A JSON-RPC node of the chain, which may be unavailable or behind.

One address may have many nodes, so each request may be served by one that is behind by another
number of blocks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from core.errors import FetchFailed
from core.ports import Fetched, Json
from payments.chain import _AUTHORIZATION_STATE, _CANCELED, _TRANSFER, _USED
from tests.simulation.payments.chain import BLOCK_MS, SimulatedChain
from tests.simulation.payments.faults import NO_FAULTS, Faults

LOGS_BLOCKS_MAX = 10_000
"""Public nodes refuse to search more blocks in one request."""

_NONSENSE = (
    Fetched(502, "<html>Bad Gateway</html>"),
    Fetched(200, '{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"limit exceeded"}}'),
    Fetched(200, '{"jsonrpc":"2.0","id":1,"result":null}'),
    Fetched(429, ""),
)


class Refused(Exception):
    """A node responds with an error."""


@dataclass(slots=True)
class SimulatedNode:
    """Responds to requests about the blocks that it has."""

    chain: SimulatedChain
    random: Random
    token: str
    faults: Faults = NO_FAULTS

    def respond(self, request: Json) -> Fetched:
        """Respond to one request. Raises `FetchFailed` when it is unavailable."""
        if self.random.random() < self.faults.node_fails:
            if self.random.random() < 0.5:
                raise FetchFailed("timed out")
            return self.random.choice(_NONSENSE)
        lag_blocks = int(self.random.uniform(0, self.faults.node_lag_ms) / BLOCK_MS)
        head = self.chain.block - lag_blocks
        try:
            content = {"result": self._call(request["method"], request["params"], head)}
        except Refused as error:
            content = {"error": {"code": -32000, "message": str(error)}}
        return Fetched(200, json.dumps({"jsonrpc": "2.0", "id": 1, **content}))

    def _call(self, method: str, parameters: Sequence[Json], head: int) -> Json:
        if method == "eth_getBlockByNumber":
            number = _block(parameters[0], head)
            return {"number": hex(number), "timestamp": hex(self.chain.timestamp(number))}
        if method == "eth_call":
            data = parameters[0]["data"].removeprefix(_AUTHORIZATION_STATE)
            use = self.chain.uses.get(("0x" + data[24:64], "0x" + data[64:]))
            is_used = use is not None and use.block <= _block(parameters[1], head)
            return f"0x{int(is_used):064x}"
        if method == "eth_getLogs":
            return self._logs(parameters[0], head)
        if method == "eth_getTransactionReceipt":
            return self._receipt(parameters[0], head)
        raise Refused(f"the method {method} does not exist")

    def _logs(self, wanted: Json, head: int) -> Json:
        first, last = int(wanted["fromBlock"], 16), _block(wanted["toBlock"], head)
        if last - first >= LOGS_BLOCKS_MAX:
            raise Refused("the range of blocks is too wide")
        _, owner, nonce = wanted["topics"]
        use = self.chain.uses.get(("0x" + owner[26:], nonce))
        if use is None or not first <= use.block <= last:
            return []
        topic = _CANCELED if use.is_cancelled else _USED
        return [{"topics": [topic, owner, nonce], "transactionHash": use.transaction}]

    def _receipt(self, hashed: str, head: int) -> Json:
        found = [one for one in self.chain.transactions if one.hash == hashed]
        if not found or not 0 <= found[0].block <= head or found[0].transfer is None:
            return None
        (payer, _), payee, value, _ = found[0].transfer
        topics = [_TRANSFER, *("0x" + address[2:].rjust(64, "0") for address in (payer, payee))]
        return {"logs": [{"address": self.token, "topics": topics, "data": hex(value)}]}


def _block(named: str, head: int) -> int:
    if named == "latest":
        return head
    number = int(named, 16)
    if number > head:
        raise Refused("header not found")
    return number
