"""The local chain and its dollar token.

Amounts are in atomic units of the token, which are millionths of a dollar.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.economy.rpc import ChainError, Rpc
from dev.economy.wallets import ISSUER

CHAIN_ID = 84532
NETWORK = f"eip155:{CHAIN_ID}"
"""The CAIP-2 name of Base Sepolia, because clients know the token there."""

TOKEN = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"  # noqa: S105 (an address)
"""Circle's USDC on Base Sepolia (https://developers.circle.com/stablecoins/usdc-contract-addresses)."""

TOKEN_NAME = "USDC"  # noqa: S105 (a name)
TOKEN_VERSION = "2"  # noqa: S105 (a version)

MULTICALL = "0xcA11bde05977b3631167028862bE2a173976CA11"
"""Multicall3, whose address is the same on all chains (https://www.multicall3.com)."""

PLAIN_TOKEN = "0xDc64a140Aa3E981100a9becA4E685f962f0cF6C9"  # noqa: S105 (an address)
"""A dollar token with 18 decimals and without EIP-3009."""

PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3"
EXACT_PROXY = "0x402085c248EeA27D92E8b30b2C58ed07f9E20001"
UPTO_PROXY = "0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002"
"""Permit2 and what calls it for x402; the addresses are the same on all chains (npm @x402/evm)."""

FACTORY = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
"""Deploys smart wallets; the facilitator lets it."""

OTHER_FACTORY = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
"""Deploys the same wallets; the facilitator does not call it."""

BLOCK_SECONDS = 10.0
"""The longest wait for the block of a transaction, unless blocks are paused."""

IDLE_BLOCK_SECONDS = 2
"""How often a block is mined without transactions, as on Base. Contracts compare times with the
newest block's, and some clients sign payments that are valid since a minute ago."""

_POLL_SECONDS = 0.005
_GAS_MONEY = 10**18
_COMPILED = Path(__file__).with_name("contracts") / "compiled.json"
_DEPLOYED = {
    TOKEN: "Token",
    PLAIN_TOKEN: "PlainToken",
    MULTICALL: "Multicall",
    PERMIT2: "Permit2",
    EXACT_PROXY: "ExactProxy",
    UPTO_PROXY: "UptoProxy",
    FACTORY: "WalletFactory",
    OTHER_FACTORY: "WalletFactory",
}
_TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""The first topic of the ERC-20 event Transfer: the Keccak-256 of its signature."""

# The first four bytes of the Keccak-256 of each function's signature.
_BALANCE_OF = "70a08231"
_AUTHORIZATION_STATE = "e94a0102"
_MINT = "40c10f19"
_TRANSFER_TO = "a9059cbb"
_BLACKLIST = "f9f92be4"
_UN_BLACKLIST = "1a895266"
_APPROVE = "095ea7b3"
_INVALIDATE = "3ff9dcb1"


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer of tokens.

    Args:
        sender: The payer's address, in lower case if read from the chain.
        recipient: The payee's address, likewise.
        amount: In atomic units.
    """

    sender: str
    recipient: str
    amount: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction of the chain.

    Args:
        hash: 32 bytes in hexadecimal, after `0x`.
        to: The called contract, in lower case.
        succeeded: Whether it succeeded; `None` while it is pending.
        transfers: Its transfers of the token.
    """

    hash: str
    to: str | None
    succeeded: bool | None
    transfers: Sequence[Transfer]


class Chain:
    """The chain, through its RPC.

    Args:
        rpc: The client of the node.
    """

    def __init__(self, rpc: Rpc) -> None:
        """Keep the argument."""
        self.rpc = rpc

    def deploy_contracts(self) -> None:
        """Put the contracts at their addresses, which are the well-known ones if there are any."""
        runtime = json.loads(_COMPILED.read_text(encoding="utf-8"))["runtime"]
        for address, name in _DEPLOYED.items():
            self.rpc.call("anvil_setCode", address, runtime[name])

    def balance(self, address: str, token: str = TOKEN) -> int:
        """Return the balance of an account."""
        return self._read_number(_BALANCE_OF, address, to=token)

    def is_authorization_used(self, payer: str, nonce: str) -> bool:
        """Return whether an authorization was used or cancelled.

        Args:
            payer: The address that signed it.
            nonce: The authorization's nonce, 32 bytes in hexadecimal.
        """
        return bool(self._read_number(_AUTHORIZATION_STATE, payer, nonce))

    def fund(self, address: str, amount: int, token: str = TOKEN) -> None:
        """Mint tokens for an account."""
        self._issue(_MINT, address, amount, to=token)

    def approve_permit2(self, address: str, amount: int, token: str = TOKEN) -> None:
        """Let Permit2 transfer tokens of any account, without its key."""
        self._impersonate(address)
        self.wait_for(self.send(address, _APPROVE, PERMIT2, amount, to=token))

    def cancel_permit2(self, address: str, nonce: int) -> None:
        """Use up a nonce of any account in Permit2, without its key and a transfer."""
        self._impersonate(address)
        word, mask = nonce >> 8, 1 << (nonce & 0xFF)
        self.wait_for(self.send(address, _INVALIDATE, word, mask, to=PERMIT2))

    def transfer(self, sender: str, recipient: str, amount: int, **fields: str) -> str:
        """Transfer tokens of any account, without its key.

        Args:
            sender: The payer's address.
            recipient: The payee's address.
            amount: In atomic units.
            fields: Further fields of the transaction, such as `gasPrice`.

        Returns:
            The transaction's hash.
        """
        self._impersonate(sender)
        return self.send(sender, _TRANSFER_TO, recipient, amount, **fields)

    def block(self, account: str) -> None:
        """Blacklist an account: every transfer from or to it fails."""
        self._issue(_BLACKLIST, account)

    def unblock(self, account: str) -> None:
        """Remove an account from the blacklist."""
        self._issue(_UN_BLACKLIST, account)

    def transaction(self, transaction_hash: str) -> Transaction | None:
        """Return a transaction; `None` if the chain does not know the hash."""
        found = self.rpc.call("eth_getTransactionByHash", transaction_hash)
        return None if found is None else self._read(found)

    def has_transferred(self, name: str, transfer: Transfer) -> bool | None:
        """Return whether a transaction made one transfer alone; `None` if it is not known."""
        found = self.transaction(name)
        if found is None:
            return None
        sender, recipient = transfer.sender.lower(), transfer.recipient.lower()
        wanted = (Transfer(sender, recipient, transfer.amount),)
        return found.succeeded is True and tuple(found.transfers) == wanted

    def transactions_to_token(self) -> list[Transaction]:
        """Return all mined transactions that called the token, in order, including failed ones."""
        found = []
        for number in range(1, self.rpc.number("eth_blockNumber") + 1):
            block = self.rpc.call("eth_getBlockByNumber", hex(number), True)  # noqa: FBT003
            found += [
                self._read(entry)
                for entry in block["transactions"]
                if (entry["to"] or "").lower() == TOKEN.lower()
            ]
        return found

    def transfers_from(self, address: str, token: str = TOKEN) -> dict[str, Transfer]:
        """Return the transfers from an account by transaction hash; each has at most one."""
        wanted = {
            "address": token,
            "fromBlock": "0x0",
            "topics": [_TRANSFER, f"0x{int(address, 16):064x}"],
        }
        return {
            str(log["transactionHash"]): _transfer(log)
            for log in self.rpc.call("eth_getLogs", wanted)
        }

    @contextmanager
    def paused_blocks(self) -> Iterator[None]:
        """Mine no blocks during a `with` block, so that transactions stay pending.

        `mine` still mines one. Transactions that are pending at the end are mined then; after
        that, only transactions cause blocks.
        """
        self.rpc.call("evm_setIntervalMining", 0)
        try:
            yield
        finally:
            self.rpc.call("evm_setAutomine", True)  # noqa: FBT003
            self.mine()

    def mine(self) -> None:
        """Mine a block of the pending transactions."""
        self.rpc.call("evm_mine")

    def pending(self) -> list[str]:
        """Return the hashes of the pending transactions."""
        block = self.rpc.call("eth_getBlockByNumber", "pending", False)  # noqa: FBT003
        return [str(name) for name in block["transactions"]]

    def send(
        self, sender: str, selector: str, *words: int | str, to: str = TOKEN, **fields: str
    ) -> str:
        """Send a transaction that calls a function of a contract, from an account of the chain.

        Raises:
            ChainError: The transaction would fail.
        """
        data = call_data(selector, *words)
        request = {"from": sender, "to": to, "data": data, **fields}
        return str(self.rpc.call("eth_sendTransaction", request))

    def wait_for(self, name: str) -> None:
        """Wait until a transaction is mined.

        Raises:
            ChainError: It was not within `BLOCK_SECONDS`.
        """
        deadline = time.monotonic() + BLOCK_SECONDS
        while self.rpc.call("eth_getTransactionReceipt", name) is None:
            if time.monotonic() > deadline:
                raise ChainError(f"{name} was not mined within {BLOCK_SECONDS:.0f} s.")
            time.sleep(_POLL_SECONDS)

    def _impersonate(self, sender: str) -> None:
        self.rpc.call("anvil_impersonateAccount", sender)
        self.rpc.call("anvil_setBalance", sender, hex(_GAS_MONEY))

    def _issue(self, selector: str, *words: int | str, to: str = TOKEN) -> None:
        self.wait_for(self.send(ISSUER.address, selector, *words, to=to))

    def _read_number(self, selector: str, *words: int | str, to: str = TOKEN) -> int:
        request = {"to": to, "data": call_data(selector, *words)}
        return self.rpc.number("eth_call", request, "latest")

    def _read(self, entry: dict[str, Any]) -> Transaction:
        receipt = self.rpc.call("eth_getTransactionReceipt", entry["hash"])
        to = entry["to"] and entry["to"].lower()
        if receipt is None:
            return Transaction(entry["hash"], to, None, ())
        transfers = tuple(
            _transfer(log)
            for log in receipt["logs"]
            if log["address"].lower() == TOKEN.lower() and log["topics"][0] == _TRANSFER
        )
        return Transaction(entry["hash"], to, receipt["status"] == "0x1", transfers)


def call_data(selector: str, *words: int | str) -> str:
    """Encode a function's call, whose arguments are numbers, addresses or other words.

    Args:
        selector: The first four bytes of the hash of its signature, in hexadecimal.
        words: The arguments; texts are hexadecimal.
    """
    numbers = (int(word, 16) if isinstance(word, str) else word for word in words)
    return f"0x{selector}" + "".join(f"{number:064x}" for number in numbers)


def _transfer(log: dict[str, Any]) -> Transfer:
    _, sender, recipient = log["topics"]
    return Transfer(_address(sender), _address(recipient), int(log["data"], 16))


def _address(topic: str) -> str:
    return f"0x{topic[-40:]}".lower()
