"""The true state of a chain with one token: blocks, transactions, balances, authorizations.

The token accepts an authorization once for each payer and nonce, within its validity, as
EIP-3009 requires. What nodes report of it is in `node`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from contextvars import Context
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple, TypeAlias

from tests.simulation.loop import VirtualLoop
from tests.simulation.payments.faults import NO_FAULTS, Faults

BLOCK_MS = 2_000
FIRST_BLOCK = 20_000

Authorization: TypeAlias = Mapping[str, Any]
"""What a payer signs: `from`, `to`, `value`, `validAfter`, `validBefore`, `nonce`, as strings."""

Name: TypeAlias = tuple[str, str]
"""An authorization's payer and nonce, in lower case."""


class Transfer(NamedTuple):
    """Money that moved. `by` is a facilitator's URL, or empty when the payer sent it."""

    name: Name
    payee: str
    value: int
    by: str


@dataclass(slots=True)
class Transaction:
    """A sent transaction; `mined` is done when it is in a block, which may never happen."""

    number: int
    authorization: Authorization
    by: str
    mined: asyncio.Future[bool]
    block: int = -1
    transfer: Transfer | None = None

    @property
    def hash(self) -> str:
        return f"0x{self.number:064x}"


class Use(NamedTuple):
    """What used up an authorization: a transaction in a block, or a cancellation by its payer."""

    block: int
    transaction: str
    is_cancelled: bool


@dataclass(slots=True)
class SimulatedChain:
    """The chain; it has the true time."""

    loop: VirtualLoop
    random: Random
    outside: Context
    start_ms: int
    faults: Faults = NO_FAULTS
    balances: dict[str, int] = field(default_factory=dict)
    uses: dict[Name, Use] = field(default_factory=dict)
    transactions: list[Transaction] = field(default_factory=list)

    @property
    def block(self) -> int:
        """Return the number of the newest block."""
        return FIRST_BLOCK + (int(self.loop.now_ms) - self.start_ms) // BLOCK_MS

    def timestamp(self, block: int) -> int:
        """Return the time of a block, in seconds."""
        return (self.start_ms + (block - FIRST_BLOCK) * BLOCK_MS) // 1000

    @property
    def transfers(self) -> list[Transfer]:
        return [one.transfer for one in self.transactions if one.transfer is not None]

    def refusal(self, authorization: Authorization) -> str | None:
        """Return why the token would refuse an authorization now; None if it would accept it."""
        name, now = name_of(authorization), self.timestamp(self.block)
        if not int(authorization["validAfter"]) < now < int(authorization["validBefore"]):
            return "invalid_exact_evm_payload_authorization_valid_before"
        if name in self.uses:
            return "invalid_exact_evm_nonce_already_used"
        if self.balances.get(name[0], 0) < int(authorization["value"]):
            return "invalid_exact_evm_insufficient_balance"
        return None

    def send(self, authorization: Authorization, by: str) -> Transaction:
        """Send a transaction, which is mined a moment later, much later, or never."""
        random, faults = self.random, self.faults
        future: asyncio.Future[bool] = self.loop.create_future()
        transaction = Transaction(len(self.transactions) + 1, authorization, by, future)
        self.transactions.append(transaction)
        if random.random() < faults.transactions_dropped:
            return transaction
        reverts = random.random() < faults.transactions_reverted
        delay_ms = random.uniform(500, 4_000)
        if random.random() < faults.mining_slow:
            delay_ms = random.uniform(4_000, 90_000)
        self.loop.call_later(
            delay_ms / 1000, self._mine, transaction, reverts, context=self.outside
        )
        return transaction

    def cancel(self, name: Name) -> None:
        """Cancel an authorization for its payer, unless it is used up."""
        self.uses.setdefault(name, Use(self.block, f"0xc{len(self.uses):063x}", is_cancelled=True))

    def _mine(self, transaction: Transaction, reverts: bool) -> None:
        authorization = transaction.authorization
        transaction.block = self.block
        succeeds = not reverts and self.refusal(authorization) is None
        if succeeds:
            name, payee = name_of(authorization), authorization["to"].lower()
            value = int(authorization["value"])
            self.balances[name[0]] -= value
            self.balances[payee] = self.balances.get(payee, 0) + value
            self.uses[name] = Use(transaction.block, transaction.hash, is_cancelled=False)
            transaction.transfer = Transfer(name, payee, value, transaction.by)
        transaction.mined.set_result(succeeds)


def name_of(authorization: Authorization) -> Name:
    """Return the token's identifier of an authorization."""
    return authorization["from"].lower(), authorization["nonce"].lower()


def signed(authorization: Authorization) -> str:
    """Return a stand-in for a signature, which depends on everything that is signed."""
    text = json.dumps(authorization, sort_keys=True).lower().encode()
    return "0x" + hashlib.shake_128(text).hexdigest(65)
