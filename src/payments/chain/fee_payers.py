"""Adds to payment requirements the account that pays the network's fee, if payers sign it.

They do on Solana, and with the scheme `upto`, which lets only that account settle. A facilitator
names it in what it supports, and only payments with it can be settled there. So a way to pay that
no facilitator names it for is not offered.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from core import constants
from core.errors import FetchFailed
from core.logs import fields
from core.ports import Clock, Json
from payments.facilitator import Facilitators
from payments.facilitator_settings import facilitator_urls
from payments.requirements import PaymentRequirements
from tenants.networks import family_of
from tenants.pricing import UPTO

_LOGGER = logging.getLogger(__name__)
_RETRY_MS = 10_000
"""After which time facilitators are asked again if none named an account."""

_NETWORKS_MAX = 100
"""Networks whose fee payers an isolate caches."""


@dataclass(slots=True)
class FeePayers:
    """The accounts that pay the fees of networks; one object per isolate."""

    facilitators: Facilitators
    clock: Clock
    _cached: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    """By network and scheme: until when, in milliseconds, and the account, which may be empty."""

    async def offer(self, accepts: Sequence[PaymentRequirements]) -> Sequence[PaymentRequirements]:
        """Return the ways to pay that can be paid now, with the fee payer of those that need one.

        Raises `ConfigurationError` if there is no facilitator, or a secret of one is missing.
        """
        offered = []
        for one in accepts:
            name = fee_payer_field(one.network, one.scheme)
            if not name:
                offered.append(one)
            elif account := await self._fee_payer(one.network, one.scheme):
                offered.append(replace(one, extra={**one.extra, name: account}))
        return offered

    async def _fee_payer(self, network: str, scheme: str) -> str:
        now_ms = self.clock.now_ms()
        until_ms, known = self._cached.get((network, scheme), (0, ""))
        if now_ms < until_ms:
            return known
        causes = []
        account, is_silent = "", False
        for url in facilitator_urls(self.facilitators.environment):
            try:
                account = fee_payer_in(await self.facilitators.supported(url), network, scheme)
            except FetchFailed as error:
                is_silent = True
                causes.append(f"{url}/supported: {error}")
                continue
            if account:
                break
            causes.append(f"{url} names no fee payer of {scheme} on {network}")
        if not account:
            _LOGGER.warning("no_fee_payer", extra=fields(network=network, cause="; ".join(causes)))
        pause_ms = constants.SUPPORTED_CACHE_SECONDS * 1000 if account else _RETRY_MS
        if is_silent and not account:
            # The account that was named last is still the best to offer.
            account = known
        if len(self._cached) >= _NETWORKS_MAX:
            self._cached.clear()
        self._cached[network, scheme] = (now_ms + pause_ms, account)
        return account


def fee_payer_in(kinds: Sequence[Json], network: str, scheme: str) -> str:
    """Return the account that pays fees on a network, from a facilitator's list of kinds.

    It is empty if the list has none.
    """
    for kind in kinds:
        if isinstance(kind, dict) and (kind.get("scheme"), kind.get("network")) == (
            scheme,
            network,
        ):
            extra = kind.get("extra")
            name = fee_payer_field(network, scheme)
            account = extra.get(name) if isinstance(extra, dict) else None
            if isinstance(account, str) and family_of(network).is_account(account):
                return account
    return ""


def fee_payer_field(network: str, scheme: str) -> str:
    """Return the field of `extra` that has the account; empty if payers do not sign it."""
    if scheme == UPTO:
        return "facilitatorAddress"
    return "feePayer" if family_of(network).has_fee_payer else ""
