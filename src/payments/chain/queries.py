"""Queries the blockchain, through a JSON-RPC node, for what became of a payment.

This is needed if a facilitator's response was lost. Without the setting `X402_RPC_URL` there is no
query and no proof.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from core import constants
from core.errors import ConfigurationError, FetchFailed
from core.ports import Clock, Environment
from payments.chain.families import ChainFamily, chain_family
from payments.chain.node import Node, node_url
from payments.chain.outcome import NO_PROOF, ChainProof
from payments.models import PaymentRow, payment_fields

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Chain:
    """Queries the node of a payment's network, if one is configured.

    A node's chain is checked again every `CHAIN_CACHE_SECONDS`.
    """

    environment: Environment
    clock: Clock
    _checked: dict[tuple[str, str], int] = field(default_factory=dict)
    """When a node was found to be one of a network, by URL and network, in milliseconds."""

    async def query(self, row: PaymentRow) -> ChainProof:
        """Query the state of a payment's authorization.

        Returns `NO_PROOF` if no node of the payment's network is configured, or it does not
        respond as it should.
        """
        try:
            url = node_url(self.environment, row.network, may_have_changed=True)
            if url is None:
                return NO_PROOF
            node, family = Node(self.environment, self.clock, url), chain_family(row.network)
            await self._check_chain(family, node, row.network)
            return await family.find_outcome(node, row)
        except (ConfigurationError, FetchFailed) as error:
            _LOGGER.warning("chain_proves_nothing", extra=payment_fields(row, error))
            return NO_PROOF

    async def _check_chain(self, family: ChainFamily, node: Node, network: str) -> None:
        key, now_ms = (node.url, network), self.clock.now_ms()
        since_ms = self._checked.get(key)
        if since_ms is None or now_ms - since_ms >= constants.CHAIN_CACHE_SECONDS * 1000:
            await family.check_chain(node, network)
            self._checked[key] = now_ms
