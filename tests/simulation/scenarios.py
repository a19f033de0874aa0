"""Combinations of faults that are rare by chance, and that some defects need to show.

Each function takes the circumstances of a run and returns others that have the combination.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from core.calendar import MINUTE_MS
from tests.simulation.kv import LISTING_LAG_MS_MAX, Temper
from tests.simulation.shape import Burst, Shape, closing_ms


def watched(random: Random, shape: Shape) -> Shape:
    """Read from the only isolate while its batches grow and become part of summaries."""
    bursts = [replace(burst, spacing_ms=random.choice((10.0, 40.0))) for burst in shape.bursts]
    reads = [
        burst.at_ms + random.choice((burst.requests * burst.spacing_ms, 180_000)) * random.random()
        for burst in bursts
        for _ in range(12)
    ]
    return replace(
        shape,
        locations=1,
        isolates=1,
        bursts=bursts,
        reads=sorted(reads),
        kills=(),
        fuse=0,
        cut=0.0,
        cron_runs=1,
        cron_late_ms=1_000.0,
        clock_off_ms=0,
        timers_late_ms=0.0,
        limits={
            **shape.limits,
            "BATCH_EVENTS_MAX": 500,
            "CACHED_EVENTS_MAX": random.choice((2, 20_000)),
            "RECENT_EVENTS_MAX": random.choice((0, 20_000)),
        },
        temper=Temper(),
    )


def just_closed(random: Random, shape: Shape) -> Shape:
    """Close an hour in time, and hide its summary and the bases from many readers."""
    closings = [closing_ms(burst.at_ms) for burst in shape.bursts]
    reads = [random.choice(closings) + random.uniform(0, 150_000) for _ in range(25)]
    return replace(
        shape,
        locations=3,
        reads=sorted(reads),
        kills=(),
        fuse=0,
        cut=0.0,
        cron_runs=1,
        cron_late_ms=1_000.0,
        cron_pauses=random.random() < 0.5,
        clock_off_ms=0,
        limits={**shape.limits, "KV_BULK_GET_KEYS_MAX": 100, "COMPACTION_OPERATIONS": 700},
        aftermath_ms=max(shape.aftermath_ms, 4_500_000.0),
        temper=Temper(
            listing_lag_ms=random.choice((0, LISTING_LAG_MS_MAX)),
            stale=0.9,
            stale_keys=random.choice((("summary/base/", "summary/hour/"), ("summary/minute/",))),
        ),
    )


def busy(random: Random, shape: Shape) -> Shape:
    """Write more batches than a read lists, for some minutes, and hide newer summaries."""
    first_ms = shape.bursts[0].at_ms
    bursts = [Burst(first_ms + number * 20_000, 8, 2_000.0) for number in range(8)]
    reads_ms = 6 * MINUTE_MS
    return replace(
        shape,
        locations=3,
        isolates=3,
        bursts=bursts,
        reads=sorted(first_ms + random.uniform(30_000, reads_ms) for _ in range(25)),
        reads_after_compaction=8,
        kills=(),
        fuse=0,
        cut=0.0,
        cron_runs=random.choice((1, 2)),
        cron_late_ms=random.choice((1_000.0, 30_000.0)),
        clock_off_ms=0,
        limits={
            **shape.limits,
            "BATCH_EVENTS_MAX": random.choice((1, 2)),
            "BUFFERED_EVENTS_MAX": 50_000,
            "RECENT_EVENTS_MAX": 0,
            "TAIL_GETS_MAX": 1,
            "KV_BULK_GET_KEYS_MAX": random.choice((2, 7, 100)),
            "COMPACTION_OPERATIONS": 700,
        },
        temper=Temper(
            listing_lag_ms=random.choice((60_000, LISTING_LAG_MS_MAX)),
            listing_flaps=random.choice((0.0, 0.3)),
            stale=random.choice((0.0, 0.9)),
            stale_keys=("summary/minute/",),
            page_keys=random.choice((3, 10, 30)),
        ),
    )


def tardy(random: Random, shape: Shape) -> Shape:
    """Make KV unavailable during a burst, whose events are written much later."""
    burst = random.choice(shape.bursts)
    over_ms = burst.at_ms + random.choice((30_000.0, 240_000.0))
    first_ms = over_ms + random.choice((5, 10, 65, 300, 1_500)) * MINUTE_MS
    returns = [first_ms + random.uniform(0, 180_000) for _ in range(random.randint(1, 6))]
    return replace(
        shape,
        isolates=random.choice((2, 3, 5)),
        kills=(),
        fuse=0,
        cron_runs=random.choice((1, 2)),
        cron_late_ms=random.choice((1_000.0, 90_000.0)),
        returns=sorted(returns),
        aftermath_ms=max(shape.aftermath_ms, max(returns) - shape.traffic_ends_ms + 65 * MINUTE_MS),
        temper=replace(
            shape.temper, outages=[*shape.temper.outages, (burst.at_ms - 1_000, over_ms)]
        ),
    )


def all_at_once(random: Random, shape: Shape) -> Shape:
    """Make everything that readers see as bad as possible, and let the readers live.

    Some defects need four faults together.
    """
    return replace(
        shape,
        fuse=random.choice((0, 300)),
        cut=random.choice((0.0, 0.05)),
        cron_runs=random.choice((1, 2)),
        limits={
            **shape.limits,
            "KV_BULK_GET_KEYS_MAX": random.choice((2, 100)),
            "RECENT_EVENTS_MAX": 0,
            "TAIL_GETS_MAX": 1,
        },
        temper=replace(
            shape.temper,
            refused=0.05,
            failed=0.05,
            failed_after_effect=0.3,
            hangs=random.choice((0.0, 0.02)),
            reads_fail=0.0,
            listing_lag_ms=LISTING_LAG_MS_MAX,
            listing_flaps=0.3,
            stale=0.7,
            page_keys=random.choice((3, 1_000)),
            odd_pages=random.choice((0.0, 0.5)),
        ),
    )
