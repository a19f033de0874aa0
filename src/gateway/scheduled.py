"""The work that cron starts every minute: the recovery of payments, and calls to shards."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from core.errors import ShardUnavailable
from core.logs import fields
from core.ports import Clock, Environment, UsageShards
from payments import reconciliation
from payments.resolution import resolver_of

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class ScheduledWork:
    """The scheduled work of one isolate."""

    environment: Environment
    clock: Clock

    async def run(self) -> None:
        """Call every shard; then resolve payments, and send settled ones to the usage log.

        Raises `BindingMissing`, `ConfigurationError`, `DatabaseUnavailable` and
        `StoreUnavailable`, after the shards were called.
        """
        await self._call_shards()
        if self.environment.control_database is not None:
            await self._recover_payments()

    async def _call_shards(self) -> None:
        """Call each shard, so that it looks for batches in KV although it gets no other call."""
        shards = self.environment.usage_shards
        if shards is None:
            return
        await asyncio.gather(*(self._call_shard(shards, shard) for shard in range(shards.count)))

    async def _call_shard(self, shards: UsageShards, shard: int) -> None:
        try:
            await shards.call(shard, "health", "")
        except ShardUnavailable as error:
            _LOGGER.warning("shard_not_called", extra=fields(shard=shard, cause=str(error)))

    async def _recover_payments(self) -> None:
        report = await reconciliation.run(resolver_of(self.environment, self.clock))
        _LOGGER.info(
            "payment_recovery_ran",
            extra=fields(
                processed=report.processed,
                acknowledged=report.acknowledged,
                archived=report.archived,
                failed=report.failed,
            ),
        )
