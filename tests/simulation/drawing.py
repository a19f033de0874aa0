"""Draws the circumstances of a run from its seed.

Runs are small and very different, so that many seeds reach many corner cases. All random choices
come from generators that are seeded here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from tests.simulation.kv import LISTING_LAG_MS_MAX, Temper
from tests.simulation.scenarios import all_at_once, busy, just_closed, tardy, watched
from tests.simulation.shape import CLOCK_OFF_MS_MAX, Burst, Shape, closing_ms

_ALL_AT_ONCE = 0.3
"""The share of runs with the worst possible reads of KV."""

_TARDY = 0.3
"""The share of runs in which isolates write buffered events one by one, during compaction."""

_JUST_CLOSED = 0.04
"""The share of runs with many reads while KV does not show the summaries of a closed hour yet."""

_WATCHED = 0.04
"""The share of runs in which one isolate serves many reads while it records requests."""

_BUSY = 0.08
"""The share of runs with more batches than reads list, and with rebuilt minutes."""

_PAUSING = 0.2
"""The share of the other runs in which cron pauses until an hour closes."""

_STARTS = (
    datetime(2026, 12, 31, 23, 59, tzinfo=UTC),
    datetime(2026, 11, 22, 23, 58, tzinfo=UTC),
    datetime(2028, 2, 29, 23, 59, tzinfo=UTC),
    datetime(2026, 11, 22, 17, 59, tzinfo=UTC),
    datetime(2026, 11, 22, 18, 11, tzinfo=UTC),
)
"""Just before a new year, day, leap month and hour; and an ordinary time."""


def shape_of(random: Random) -> Shape:
    """Draw the circumstances of one run."""
    start_ms = int(random.choice(_STARTS).timestamp() * 1000) + random.randrange(60_000)
    bursts = _bursts(random, start_ms)
    end_ms = bursts[-1].at_ms + 30_000
    aftermath_ms = random.choice((120_000.0, 1_500_000.0, 4_500_000.0))
    calm = random.random() < 0.15
    temper = Temper() if calm else _temper(random, bursts, end_ms)
    shape = Shape(
        start_ms=start_ms,
        locations=random.choice((1, 2, 3)),
        isolates=random.choice((1, 1, 2, 3, 5)),
        apis=random.choice((1, 2, 3, 6)),
        callers=random.choice((1, 3, 20)),
        bursts=bursts,
        reads=_times(random, bursts, end_ms, random.randint(1, 12)),
        reads_after_compaction=random.choice((0, 3, 8)),
        returns=_returns(random, temper.outages, start_ms, end_ms + aftermath_ms),
        repairs=_times(random, bursts, end_ms, random.choice((0, 0, 1, 3))),
        kills=[
            random.uniform(start_ms, end_ms)
            for _ in range(0 if calm else random.choice((0, 0, 1, 3)))
        ],
        fuse=0 if calm else random.choice((0, 0, 15, 60, 300)),
        cron_runs=random.choice((0, 1, 1, 2)),
        cron_late_ms=random.choice((0.0, 1_000.0, 90_000.0)),
        cron_pauses=False,
        cut=0.0 if calm else random.choice((0.0, 0.05, 0.5)),
        clock_off_ms=random.choice((0, 1_000, 60_000, CLOCK_OFF_MS_MAX)),
        clocks_drift=random.random() < 0.5,
        timers_late_ms=random.choice((0.0, 0.0, 5.0, 2_000.0)),
        limits=_limits(random),
        bad_batches=random.choice((0, 0, 0, 1, 3)),
        aftermath_ms=aftermath_ms,
        temper=temper,
    )
    if random.random() < _ALL_AT_ONCE:
        shape = all_at_once(random, shape)
    if random.random() < _TARDY:
        return tardy(random, shape)
    # A separate generator, so that other runs do not change.
    own = Random(shape.start_ms)
    scenario = own.random()
    if scenario < _JUST_CLOSED:
        return just_closed(own, shape)
    if scenario < _JUST_CLOSED + _WATCHED:
        return watched(own, shape)
    if scenario >= 1 - _BUSY:
        return busy(own, shape)
    return replace(shape, cron_pauses=own.random() < _PAUSING)


def _returns(
    random: Random, outages: Sequence[tuple[float, float]], start_ms: float, end_ms: float
) -> Sequence[float]:
    """Draw when isolates with buffered events get a request: at any time, and after outages."""
    times = [random.uniform(start_ms, end_ms) for _ in range(random.randrange(4))]
    for _, over_ms in outages:
        times += [over_ms + random.uniform(0, 600_000) for _ in range(random.randrange(4))]
    return sorted(times)


def _times(random: Random, bursts: Sequence[Burst], end_ms: float, count: int) -> Sequence[float]:
    """Draw the times of reads: during and after bursts, around compaction, until all is settled."""
    times = []
    for _ in range(count):
        burst = random.choice(bursts)
        after_ms = random.randrange(1, 4) * MINUTE_MS + random.uniform(0, 9_000)
        times.append(
            random.choice(
                (
                    burst.at_ms + random.uniform(0, 4_000),
                    burst.at_ms + random.uniform(0, 30_000),
                    burst.at_ms + after_ms,
                    closing_ms(burst.at_ms) + random.uniform(-2, 4) * MINUTE_MS,
                    random.uniform(bursts[0].at_ms, end_ms + 120_000),
                    random.uniform(burst.at_ms, end_ms + 1_500_000),
                )
            )
        )
    return sorted(times)


def _bursts(random: Random, start_ms: int) -> Sequence[Burst]:
    gap_ms = random.choice((500.0, 5_000.0, 60_000.0, HOUR_MS / 4, DAY_MS))
    bursts = []
    at_ms = float(start_ms)
    for _ in range(random.choice((1, 2, 4, 8))):
        spacing_ms = random.choice((0.1, 10.0, 200.0, 1_500.0))
        bursts.append(Burst(at_ms, random.choice((1, 3, 10, 25)), spacing_ms))
        at_ms += random.expovariate(1 / gap_ms)
    return bursts


def _limits(random: Random) -> Mapping[str, int]:
    """Draw smaller limits than the real ones, so that small runs reach them."""
    return {
        "BATCH_EVENTS_MAX": random.choice((1, 2, 5, 20, 500)),
        "BUFFERED_EVENTS_MAX": random.choice((5, 30, 50_000, 50_000)),
        "KV_BULK_GET_KEYS_MAX": random.choice((2, 7, 100)),
        "RECENT_EVENTS_MAX": random.choice((0, 5, 20_000)),
        "TAIL_GETS_MAX": random.choice((1, 3)),
        "SUMMARY_PART_LENGTH_MAX": random.choice((400, 6_000_000)),
        "PUBLISHED_APIS_MIN": random.choice((1, 100)),
        "CATCH_UP_OPERATIONS": random.choice((60, 100)),
        "COMPACTION_OPERATIONS": random.choice((200, 700)),
    }


def _temper(random: Random, bursts: Sequence[Burst], end_ms: float) -> Temper:
    def share(worst: float) -> float:
        return random.choice((0.0, worst / 10, worst))

    outages = []
    for _ in range(random.choice((0, 0, 1, 2))):
        # Outages that start with a burst make isolates write its events late.
        burst_ms = random.choice(bursts).at_ms + random.uniform(-2_000, 2_000)
        begin_ms = random.choice((burst_ms, random.uniform(bursts[0].at_ms, end_ms)))
        lasts_ms = random.choice((2_000.0, 40_000.0, 240_000.0, 900_000.0))
        outages.append((begin_ms, begin_ms + lasts_ms))
    return Temper(
        refused=share(0.3),
        failed=share(0.2),
        failed_after_effect=share(0.3),
        failed_before_effect=share(0.15),
        slow=share(0.3),
        hangs=share(0.08),
        reads_fail=share(0.1),
        listing_lag_ms=random.choice((0, 5_000, 60_000, LISTING_LAG_MS_MAX)),
        listing_flaps=share(0.3),
        stale=random.choice((0.0, 0.2, 0.7)),
        stale_keys=random.choice((("",), ("usage/",), ("summary/base/", "summary/hour/"))),
        page_keys=random.choice((3, 10, 30, 1_000)),
        odd_pages=share(0.3),
        outages=outages,
    )
