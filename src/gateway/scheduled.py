"""What cron does every minute, and the line that it leaves in the log.

Owns what operators are told of each run. Refuses to do any of it itself.
"""

from __future__ import annotations

import logging

from core import constants
from core.errors import BindingMissing
from core.logs import fields
from core.ports import Clock, Environment
from metering.compactor import compact
from payments.reconciliation import run
from payments.resolution import resolver_of

_LOGGER = logging.getLogger(__name__)


async def run_compaction(environment: Environment, clock: Clock) -> None:
    """Summarise what is over. Raises `BindingMissing`, `StoreUnavailable`."""
    store = environment.usage_store
    if store is None:
        raise BindingMissing("USAGE_KV")
    report = await compact(store, clock.now_ms(), constants.COMPACTION_OPERATIONS)
    _LOGGER.log(
        logging.WARNING if report.stopped_by else logging.INFO,
        "compaction_went_on",
        extra=fields(
            made=len(report.made),
            operations=report.operations,
            complete=report.done,
            stoppedBy=report.stopped_by or None,
        ),
    )


async def run_payment_recovery(environment: Environment, clock: Clock, name: str) -> None:
    """Move left-over payments on, under a `name` that no other run has.

    Raises `BindingMissing`, `DatabaseUnavailable`, `StoreUnavailable`.
    """
    report = await run(resolver_of(environment, clock), name)
    _LOGGER.info(
        "payments_went_on",
        extra=fields(
            resolved=report.resolved,
            reconciled=report.reconciled,
            mended=report.mended,
            pending=report.pending,
        ),
    )
