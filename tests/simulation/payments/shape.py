"""Draws the circumstances of a run of payments, in addition to those of metering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from core.calendar import MINUTE_MS
from tests.simulation.payments.faults import Faults, faults_of
from tests.simulation.shape import Burst, Shape, shape_of


@dataclass(frozen=True, slots=True)
class PaymentShape:
    """The circumstances of one run; times are in virtual milliseconds."""

    metering: Shape
    faults: Faults
    visits: Sequence[float]
    """When payers send requests."""
    cron: Sequence[float]
    ends_ms: float
    """When faults end."""
    payers: int
    poor: int
    """How many payers have little money."""
    facilitators: int
    has_node: bool
    replays: float
    """The share of payments that are presented again after they were served."""
    at_once: Sequence[int]
    """How many requests present a payment at the same time; drawn for each payment."""


def payment_shape_of(random: Random) -> PaymentShape:
    """Draw the circumstances of one run."""
    metering = shape_of(random)
    bursts = [
        Burst(burst.at_ms, min(burst.requests, 4), max(burst.spacing_ms, 10.0))
        for burst in metering.bursts[:3]
    ]
    visits, cron = [], []
    late_ms = random.choice((0.0, 1_000.0, 90_000.0))
    for burst in bursts:
        at_ms = burst.at_ms
        for _ in range(burst.requests):
            visits.append(at_ms)
            at_ms += random.uniform(0, 2 * burst.spacing_ms)
        for minute in range(random.choice((0, 3, 9))):
            due_ms = burst.at_ms + minute * MINUTE_MS
            runs = random.choice((1, 1, 2))
            cron += [due_ms + random.uniform(0, late_ms) for _ in range(runs)]
    small = {
        "CRON_ROWS_MAX": random.choice((1, 3, 20)),
    }
    return PaymentShape(
        metering=replace(
            metering,
            bursts=bursts,
            fuse=random.choice((0, 0, 40, 150)),
            # Isolates die only before the faults end.
            kills=[random.uniform(visits[0], visits[-1] + 60_000) for _ in metering.kills],
            limits={**metering.limits, **small},
        ),
        faults=faults_of(random),
        visits=visits,
        cron=cron,
        ends_ms=max([visits[-1] + 60_000, *cron]) + random.choice((1_000, 60_000, 900_000)),
        payers=random.choice((1, 2, 4)),
        poor=random.choice((0, 0, 1)),
        facilitators=random.choice((1, 1, 2)),
        has_node=random.random() < 0.75,
        replays=random.choice((0.0, 0.3, 1.0)),
        at_once=random.choice(((1,), (1, 1, 2), (2, 3))),
    )
