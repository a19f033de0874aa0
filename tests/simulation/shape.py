"""What one seed chooses: traffic, isolates, clocks, limits, and how bad KV is.

Runs are small and of very different shapes, so that many seeds reach many
corners. Everything is drawn here or from generators that are seeded here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random

import keys
from tests.simulation.kv import LISTING_LAG_MS_MAX, Temper

CLOCK_OFF_MS_MAX = 300_000

_ALL_AT_ONCE = 0.3
"""The share of runs in which reading KV is as bad as it can be."""

_TARDY = 0.3
"""The share of runs in which isolates write what they hold one after another, amid compaction."""

_JUST_CLOSED = 0.04
"""The share of runs in which many ask while KV does not show yet what closing an hour made."""

_STARTS = (
    datetime(2026, 12, 31, 23, 59, tzinfo=UTC),
    datetime(2026, 11, 22, 23, 58, tzinfo=UTC),
    datetime(2028, 2, 29, 23, 59, tzinfo=UTC),
    datetime(2026, 11, 22, 17, 59, tzinfo=UTC),
    datetime(2026, 11, 22, 18, 11, tzinfo=UTC),
)
"""A minute or two before a year, a day, a leap month, an hour; and an ordinary time."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Requests that arrive from `at_ms`, `spacing_ms` apart on average."""

    at_ms: float
    requests: int
    spacing_ms: float


@dataclass(frozen=True, slots=True)
class Shape:
    """One run's circumstances; times are virtual milliseconds."""

    start_ms: int
    locations: int
    isolates: int
    apis: int
    callers: int
    bursts: Sequence[Burst]
    reads: Sequence[float]
    reads_after_compaction: int
    """How many more readers at most ask right after a run of compaction."""
    returns: Sequence[float]
    """When isolates that hold events get another request, and may write them late."""
    repairs: Sequence[float]
    """When an operator has a range rebuilt."""
    kills: Sequence[float]
    fuse: int
    """Steps after which an isolate dies, on average; 0 for never."""
    cron_runs: int
    """How often cron runs each minute: not at all, once or twice."""
    cron_late_ms: float
    cut: float
    """The share of invocations that are dropped alone."""
    clock_off_ms: int
    clocks_drift: bool
    timers_late_ms: float
    limits: Mapping[str, int]
    bad_batches: int
    aftermath_ms: float
    """How long everything goes on as badly when the last request has been answered."""
    temper: Temper

    @property
    def traffic_ends_ms(self) -> float:
        """When the last request may arrive."""
        return max(burst.at_ms + 3 * burst.requests * burst.spacing_ms for burst in self.bursts)


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
        shape = _all_at_once(random, shape)
    if random.random() < _TARDY:
        return _tardy(random, shape)
    # A generator of its own, so that all other runs stay as they were.
    own = Random(shape.start_ms)
    return _just_closed(own, shape) if own.random() < _JUST_CLOSED else shape


def _just_closed(random: Random, shape: Shape) -> Shape:
    """Let cron close an hour in time, and hide its summary and the bases from many."""
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
        clock_off_ms=0,
        limits={**shape.limits, "KV_BULK_GET_KEYS_MAX": 100, "COMPACTION_OPERATIONS": 700},
        aftermath_ms=max(shape.aftermath_ms, 4_500_000.0),
        temper=Temper(stale=0.9, stale_keys=("summary/base/", "summary/hour/")),
    )


def _tardy(random: Random, shape: Shape) -> Shape:
    """Let KV be down while a burst arrives, and those who hold its events write them much later."""
    burst = random.choice(shape.bursts)
    over_ms = burst.at_ms + random.choice((30_000.0, 240_000.0))
    first_ms = over_ms + random.choice((5, 10, 65, 300, 1_500)) * keys.MINUTE_MS
    returns = [first_ms + random.uniform(0, 180_000) for _ in range(random.randint(1, 6))]
    return replace(
        shape,
        isolates=random.choice((2, 3, 5)),
        kills=(),
        fuse=0,
        cron_runs=random.choice((1, 2)),
        cron_late_ms=random.choice((1_000.0, 90_000.0)),
        returns=sorted(returns),
        aftermath_ms=max(
            shape.aftermath_ms, max(returns) - shape.traffic_ends_ms + 65 * keys.MINUTE_MS
        ),
        temper=replace(
            shape.temper, outages=[*shape.temper.outages, (burst.at_ms - 1_000, over_ms)]
        ),
    )


def _all_at_once(random: Random, shape: Shape) -> Shape:
    """Let everything that readers are shown be at its worst, and those who ask live.

    Some defects need four misfortunes together, which seldom come by themselves.
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


def _returns(
    random: Random, outages: Sequence[tuple[float, float]], start_ms: float, end_ms: float
) -> Sequence[float]:
    """Draw when requests come again to those who hold events: at any time, and after outages."""
    times = [random.uniform(start_ms, end_ms) for _ in range(random.randrange(4))]
    for _, over_ms in outages:
        times += [over_ms + random.uniform(0, 600_000) for _ in range(random.randrange(4))]
    return sorted(times)


def _times(random: Random, bursts: Sequence[Burst], end_ms: float, count: int) -> Sequence[float]:
    """Draw when somebody asks: amid and after bursts, around compaction, until all is settled."""
    times = []
    for _ in range(count):
        burst = random.choice(bursts)
        after_ms = random.randrange(1, 4) * keys.MINUTE_MS + random.uniform(0, 9_000)
        times.append(
            random.choice(
                (
                    burst.at_ms + random.uniform(0, 4_000),
                    burst.at_ms + random.uniform(0, 30_000),
                    burst.at_ms + after_ms,
                    closing_ms(burst.at_ms) + random.uniform(-2, 4) * keys.MINUTE_MS,
                    random.uniform(bursts[0].at_ms, end_ms + 120_000),
                    random.uniform(burst.at_ms, end_ms + 1_500_000),
                )
            )
        )
    return sorted(times)


def closing_ms(at_ms: float) -> float:
    """When the hour of a time is closed: its last minute has settled by then."""
    return (at_ms // keys.HOUR_MS + 1) * keys.HOUR_MS + 20 * keys.MINUTE_MS


def _bursts(random: Random, start_ms: int) -> Sequence[Burst]:
    gap_ms = random.choice((500.0, 5_000.0, 60_000.0, keys.HOUR_MS / 4, keys.DAY_MS))
    bursts = []
    at_ms = float(start_ms)
    for _ in range(random.choice((1, 2, 4, 8))):
        spacing_ms = random.choice((0.1, 10.0, 200.0, 1_500.0))
        bursts.append(Burst(at_ms, random.choice((1, 3, 10, 25)), spacing_ms))
        at_ms += random.expovariate(1 / gap_ms)
    return bursts


def _limits(random: Random) -> Mapping[str, int]:
    """Draw smaller bounds than the real ones, so that small runs meet them."""
    return {
        "BATCH_EVENTS_MAX": random.choice((1, 2, 5, 20, 500)),
        "HELD_EVENTS_MAX": random.choice((5, 30, 50_000, 50_000)),
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
        # Those that begin with a burst leave isolates with events that they write late.
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
