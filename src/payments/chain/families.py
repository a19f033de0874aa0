"""The interface of a family of chains, and its implementation for a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from core.ports import Json
from payments.chain import evm
from payments.chain.authorization import Authorization
from payments.chain.node import Node
from payments.chain.outcome import ChainProof, ClaimedPayment
from payments.requirements import PaymentRequirements
from tenants.networks import SVM, family_of


class ChainFamily(Protocol):
    """What payments need of a family of chains."""

    def read_authorization(self, payload: Json) -> Authorization:
        """Read the field `payload` of a payment. Raises `InvalidPayload` if it is malformed."""

    async def check_chain(self, node: Node, network: str) -> None:
        """Raise `FetchFailed` unless the node is one of `network`, in CAIP-2 form."""

    async def find_outcome(self, node: Node, payment: ClaimedPayment) -> ChainProof:
        """Find what became of a payment on the chain of a node that was checked.

        Raises `FetchFailed` if the node does not respond as it should.
        """

    async def token_differences(
        self, node: Node, requirements: PaymentRequirements, labels: Sequence[str]
    ) -> Sequence[str]:
        """Return a sentence for each setting that does not fit the token. Raises nothing.

        `labels` name what sets the token's address, decimals, name and version.
        """


def chain_family(network: str) -> ChainFamily:
    """Return what to use for a network; that of EVM for a text that is none."""
    if family_of(network) is SVM:
        # Imported here, because most deployments have no payments on Solana.
        from payments.chain import svm  # noqa: PLC0415

        return svm
    return evm
