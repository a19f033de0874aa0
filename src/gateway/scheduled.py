"""The work that cron starts every minute: payment recovery, then compaction."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from analytics import Analytics
from core import constants
from core.errors import BindingMissing
from core.logs import fields
from core.ports import Clock, Environment
from metering.compactor import compact
from payments import reconciliation
from payments.resolution import resolver_of

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class ScheduledWork:
    """The scheduled work of one isolate, whose random name is `writer`."""

    environment: Environment
    clock: Clock
    writer: str
    analytics: Analytics
    _runs: int = 0

    async def run(self) -> None:
        """Recover payments; then compact and publish snapshots, even if that failed.

        Raises `BindingMissing`, `DatabaseUnavailable` and `StoreUnavailable`.
        """
        try:
            await self._recover_payments()
        finally:
            await self._compact_and_publish()

    async def _recover_payments(self) -> None:
        if self.environment.control_database is None:
            return
        self._runs += 1
        # The ledger needs a name that no other run or request has.
        name = f"{self.writer}-cron-{self._runs:06x}"
        report = await reconciliation.run(resolver_of(self.environment, self.clock), name)
        _LOGGER.info(
            "payment_recovery_ran",
            extra=fields(
                resolved=report.resolved,
                reconciled=report.reconciled,
                rewritten=report.rewritten,
                pending=report.pending,
            ),
        )

    async def _compact_and_publish(self) -> None:
        store = self.environment.usage_store
        if store is None:
            raise BindingMissing("USAGE_KV")
        report = await compact(store, self.clock.now_ms(), constants.COMPACTION_OPERATIONS)
        _LOGGER.log(
            logging.WARNING if report.stopped_by else logging.INFO,
            "compaction_ran",
            extra=fields(
                made=len(report.made),
                operations=report.operations,
                complete=report.done,
                stoppedBy=report.stopped_by or None,
            ),
        )
        await self.analytics.publish(store)
