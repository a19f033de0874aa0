"""Runs one seed of payments and checks all invariants."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging import NullHandler

from payments.settlement import LATE_REVENUE
from tests.simulation.payments.invariants import batches_in
from tests.simulation.payments.payers import Payers
from tests.simulation.payments.rest import check_at_rest, come_to_rest
from tests.simulation.payments.world import PaymentWorld, new_world, schedule_deaths_and_cron
from tests.simulation.world import limits

KIND = "payments"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one run; `failure` is None if all invariants held."""

    seed: int
    failure: str | None
    requests: int
    visits: int
    served: int
    receipts: int
    settled: int
    settled_later: int
    pending: int
    failed: int
    settle_requests: int
    isolates: int
    transactions: int
    steps: int


class _Unexpected(logging.Handler):
    """Records every unexpected exception of the dispatcher."""

    def __init__(self, world: PaymentWorld) -> None:
        super().__init__(logging.ERROR)
        self.world = world

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.world.problems.append(f"{record.getMessage()}: {record.exc_info[1]!r}")


@contextmanager
def _watched(world: PaymentWorld) -> Iterator[None]:
    """Ignore warnings, and record errors."""
    logger, handler, silence = (
        logging.getLogger("gateway.error_handling"),
        _Unexpected(world),
        NullHandler(),
    )
    logger.addHandler(handler)
    # Without any handler, Python prints the log records of other loggers.
    logging.getLogger().addHandler(silence)
    propagates, logger.propagate = logger.propagate, False
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        logger.propagate = propagates
        logger.removeHandler(handler)
        logging.getLogger().removeHandler(silence)


def run(seed: int) -> Outcome:
    """Run one seed; the same seed gives the same run, step by step."""
    world = new_world(seed)
    payers = Payers(world)
    failure = None
    with limits(world.shape), _watched(world):
        try:
            payers.schedule()
            schedule_deaths_and_cron(world)
            world.loop.run(world.payment_shape.ends_ms)
            come_to_rest(world)
            check_at_rest(world)
        except Exception as error:  # noqa: BLE001 (any error is a finding)
            failure = f"{type(error).__name__}: {error}"
        finally:
            world.loop.dispose()
    rows = world.payment_rows()
    states = [row["state"] for row in rows]
    outcome = Outcome(
        seed=seed,
        failure=failure,
        requests=len(world.requests),
        visits=payers.visits,
        served=sum(map(len, world.served.values())),
        receipts=world.receipts,
        settled=states.count("settled"),
        settled_later=sum(
            event.outcome == LATE_REVENUE for batch in batches_in(world) for event in batch.events
        ),
        pending=states.count("pending"),
        failed=states.count("failed"),
        settle_requests=sum(one.settle_requests for one in world.facilitators.values()),
        isolates=len(world.isolates),
        transactions=world.deployment.database.transactions,
        steps=world.loop.steps,
    )
    world.deployment.database.connection.close()
    return outcome


def replay_command(seed: int) -> str:
    """Return the command that runs a seed again."""
    return f"make simulate KIND={KIND} SEED={seed}"
