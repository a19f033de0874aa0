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
from payments.chain.evm.outcome import _AUTHORIZATION_STATE
from tests.simulation.payments.chain import BLOCK_MS, SimulatedChain
from tests.simulation.payments.faults import NO_FAULTS, Faults
from tests.support.fake_chain import NETWORK, receipt, transfer_log, use_log

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
        if method == "eth_chainId":
            return hex(int(NETWORK.partition(":")[2]))
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
        name = ("0x" + owner[26:], nonce)
        return [use_log(self.token, name, use.transaction, is_canceled=use.is_cancelled)]

    def _receipt(self, hashed: str, head: int) -> Json:
        uses = [(name, use) for name, use in self.chain.uses.items() if use.transaction == hashed]
        if not uses or uses[0][1].block > head:
            return None
        name, use = uses[0]
        log = use_log(self.token, name, hashed, is_canceled=use.is_cancelled)
        if use.is_cancelled:
            return receipt(hashed, log)
        (moved,) = (one.transfer for one in self.chain.transactions if one.hash == hashed)
        assert moved is not None
        transfer = transfer_log(self.token, name[0], moved.payee, moved.value, hashed)
        return receipt(hashed, log, transfer)


def _block(named: str, head: int) -> int:
    if named == "latest":
        return head
    number = int(named, 16)
    if number > head:
        raise Refused("header not found")
    return number
