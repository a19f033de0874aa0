"""The work that cron starts every minute: the recovery of payments, and calls to shards."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from core.errors import ShardUnavailable
from core.logs import fields
from core.ports import Clock, Environment
from payments import reconciliation
from payments.resolution import resolver_of

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class ScheduledWork:
    """The scheduled work of one isolate, whose random name is `writer`."""

    environment: Environment
    clock: Clock
    writer: str
    _runs: int = 0

    async def run(self) -> None:
        """Resolve payments, and send settled ones to the usage log; then call every shard.

        Raises `BindingMissing`, `ConfigurationError` and `DatabaseUnavailable`.
        """
        try:
            if self.environment.control_database is not None:
                await self._recover_payments()
        finally:
            await self._call_shards()

    async def _call_shards(self) -> None:
        """Call each shard, so that it looks for batches in KV although it gets no other call."""
        shards = self.environment.usage_shards
        if shards is None:
            return
        for shard in range(shards.count):
            try:
                await shards.call(shard, "health", "")
            except ShardUnavailable as error:
                _LOGGER.warning("shard_not_called", extra=fields(shard=shard, cause=str(error)))

    async def _recover_payments(self) -> None:
        self._runs += 1
        # The ledger needs a name that no other run or request has.
        name = f"{self.writer}-cron-{self._runs:06x}"
        report = await reconciliation.run(resolver_of(self.environment, self.clock), name)
        _LOGGER.info(
            "payment_recovery_ran",
            extra=fields(
                resolved=report.resolved,
                acknowledged=report.acknowledged,
                unsent=report.unsent,
                pending=report.pending,
            ),
        )
