"""The local Solana chain and its dollar token (`node/solana.js`).

Amounts are in atomic units of the token, which are millionths of a dollar.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dev.economy.chain import Transfer
from dev.economy.rpc import Rpc

SOLANA_NETWORK = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1"
"""The CAIP-2 name of Solana's devnet, because clients know the token there."""

SOLANA_TOKEN = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU"  # noqa: S105 (an address)
"""Circle's USDC on Solana's devnet (https://developers.circle.com/stablecoins/usdc-contract-addresses)."""


class SolanaChain:
    """The chain, through its RPC.

    Args:
        rpc: The client of the node.
    """

    def __init__(self, rpc: Rpc) -> None:
        """Keep the argument."""
        self.rpc = rpc

    def balance(self, owner: str) -> int:
        """Return the token balance of an account, which must have been funded."""
        account = self.rpc.call("local_tokenAccount", owner)
        return int(self.rpc.call("getTokenAccountBalance", account)["value"]["amount"])

    def fund(self, owner: str, amount: int) -> None:
        """Set the token balance of an account."""
        self.rpc.call("local_setBalance", owner, str(amount))

    @contextmanager
    def frozen(self, owner: str) -> Iterator[None]:
        """Let every transfer from or to an account fail during a `with` block."""
        self.rpc.call("local_freeze", owner)
        try:
            yield
        finally:
            self.rpc.call("local_thaw", owner)

    def pass_time(self, seconds: int) -> None:
        """Let time pass on the chain; every blockhash expires."""
        self.rpc.call("local_pass", seconds)

    def signatures(self) -> Sequence[str]:
        """Return the signatures of all executed transactions, in order, including failed ones."""
        found: Sequence[str] = self.rpc.call("local_signatures")
        return found

    def has_transferred(self, name: str, transfer: Transfer) -> bool | None:
        """Return whether a transaction made one transfer alone; `None` if it is not known."""
        found = self.rpc.call("getTransaction", name)
        if found is None:
            return None
        meta = found["meta"]
        before, after = (
            _balances(meta[each]) for each in ("preTokenBalances", "postTokenBalances")
        )
        changes = {owner: amount - before[owner] for owner, amount in after.items()}
        wanted = {transfer.sender: -transfer.amount, transfer.recipient: transfer.amount}
        return meta["err"] is None and changes == wanted


def _balances(entries: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {entry["owner"]: int(entry["uiTokenAmount"]["amount"]) for entry in entries}
