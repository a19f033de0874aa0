"""What a node proves of a payment: whether the money moved.

A response that is malformed or contradicts another one proves nothing: neither that the money
moved nor that it never will.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


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


class ClaimedPayment(Protocol):
    """What of a payment's row in the ledger a node is asked about; `models` describes it."""

    @property
    def payer(self) -> str: ...  # noqa: D102
    @property
    def pay_to(self) -> str: ...  # noqa: D102
    @property
    def network(self) -> str: ...  # noqa: D102
    @property
    def asset(self) -> str: ...  # noqa: D102
    @property
    def nonce(self) -> str: ...  # noqa: D102
    @property
    def amount(self) -> str: ...  # noqa: D102
    @property
    def proof(self) -> str | None: ...  # noqa: D102
    @property
    def transaction_id(self) -> str: ...  # noqa: D102
    @property
    def claimed_at_ms(self) -> int: ...  # noqa: D102
    @property
    def valid_before_ms(self) -> int: ...  # noqa: D102
