"""The circumstances of a run, drawn from its seed.

Runs are small and very different, so that many seeds reach many corner cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from tests.simulation.kv import LISTING_LAG_MS_MAX, Temper

CLOCK_OFF_MS_MAX = 300_000

_STARTS = (
    datetime(2026, 12, 31, 23, 59, tzinfo=UTC),
    datetime(2026, 11, 30, 23, 58, tzinfo=UTC),
    datetime(2028, 2, 29, 23, 59, tzinfo=UTC),
    datetime(2026, 11, 22, 17, 59, tzinfo=UTC),
)
"""Just before a new year, month, leap month and hour."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Requests that arrive from `at_ms`, `spacing_ms` apart on average."""

    at_ms: float
    requests: int
    spacing_ms: float

    @property
    def ends_ms(self) -> float:
        """The time of its last request."""
        return self.at_ms + 2 * self.requests * self.spacing_ms


@dataclass(frozen=True, slots=True)
class Network:
    """The faults between isolates and shards, as shares of all calls; none by default.

    `outages` are spans in virtual milliseconds in which a shard, by its number, does not respond.
    In `versions`, the software of a shard is older or newer than the recorders'.
    """

    lost: float = 0.0
    lost_after_effect: float = 0.0
    repeated: float = 0.0
    slow: float = 0.0
    canceled: float = 0.0
    """Calls that end in the shard, too, when their caller does not wait any more."""
    durable_ms: float = 0.0
    """How long a write to a shard's database takes at most until it survives a crash."""
    alarms_late_ms: float = 0.0
    outages: Sequence[tuple[int, float, float]] = ()
    versions: Sequence[tuple[int, float, float]] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """The circumstances of one run; times are in virtual milliseconds."""

    start_ms: int
    locations: int
    isolates: int
    apis: int
    callers: int
    bursts: Sequence[Burst]
    kills: Sequence[float]
    fuse: int
    """Steps after which an isolate dies, on average; 0 for never."""
    cut: float
    """The share of invocations that are dropped, without their isolate."""
    clock_off_ms: int
    clocks_drift: bool
    timers_late_ms: float
    temper: Temper
    aftermath_ms: float = 0.0
    """How long the faults continue after the last request."""
    network: Network = Network()
    shards: int = 1
    more_shards: tuple[float, int] | None = None
    """When `USAGE_SHARDS` is raised, and to what."""
    restarts: Sequence[float] = ()
    """When a shard restarts."""
    shard_fuse: int = 0
    """Steps after which a shard restarts, on average; 0 for never."""
    reads: Sequence[float] = ()
    imports: Sequence[float] = ()
    payments: Sequence[float] = ()
    rebuilds: Sequence[float] = ()
    """When an operator rebuilds a day."""
    damages: Sequence[float] = ()
    """When a value in KV is damaged."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Smaller limits than the real ones: `NAME` in `core.constants`, or `MODULE:NAME`."""

    @property
    def traffic_ends_ms(self) -> float:
        """The time of the last request."""
        return max(burst.ends_ms for burst in self.bursts)


def shape_of(random: Random) -> Shape:
    """Draw the circumstances of one run."""
    pick = random.choice
    start_ms = int(pick(_STARTS).timestamp() * 1000) + random.randrange(60_000)
    bursts = _bursts(random, start_ms)
    traffic_ends_ms = bursts[-1].ends_ms
    end_ms = traffic_ends_ms + pick((1_000.0, 20_000.0, 400_000.0, 2 * HOUR_MS, DAY_MS))
    calm = random.random() < 0.15
    shards = pick((1, 1, 1, 2, 3))

    def times(counts: Sequence[int]) -> Sequence[float]:
        return sorted(_time(random, bursts, end_ms) for _ in range(pick(counts)))

    return Shape(
        start_ms=start_ms,
        locations=pick((1, 2, 3)),
        isolates=pick((1, 1, 2, 3)),
        apis=pick((1, 2, 3, 6)),
        callers=pick((1, 3, 20)),
        bursts=bursts,
        kills=() if calm else times((0, 0, 1, 3)),
        fuse=0 if calm else pick((0, 0, 30, 200)),
        cut=0.0 if calm else pick((0.0, 0.05, 0.5)),
        clock_off_ms=pick((0, 0, 1_000, 60_000, CLOCK_OFF_MS_MAX)),
        clocks_drift=random.random() < 0.5,
        timers_late_ms=pick((0.0, 0.0, 5.0, 2_000.0)),
        temper=Temper() if calm else _temper(random, bursts, end_ms),
        aftermath_ms=end_ms - traffic_ends_ms,
        network=Network() if calm else _network(random, bursts, end_ms, shards),
        shards=shards,
        more_shards=pick((None, None, (_time(random, bursts, end_ms), shards + pick((1, 2))))),
        restarts=() if calm else times((0, 0, 1, 3, 8)),
        shard_fuse=0 if calm else pick((0, 0, 20, 100, 400)),
        reads=times((1, 2, 4, 8)),
        imports=times((0, 0, 1, 2)),
        payments=times((0, 0, 1, 3)),
        rebuilds=times((0, 0, 0, 1, 2)),
        damages=() if calm else times((0, 0, 0, 1, 3)),
        limits=_limits(random),
    )


def _time(random: Random, bursts: Sequence[Burst], end_ms: float) -> float:
    """Draw a time: during and after bursts, around midnight, or at any time."""
    burst = random.choice(bursts)
    midnight_ms = (burst.at_ms // DAY_MS + 1) * DAY_MS
    return random.choice(
        (
            burst.at_ms + random.uniform(0, 1.2 * (burst.ends_ms - burst.at_ms) + 100),
            burst.at_ms + random.uniform(0, 5_000),
            burst.at_ms + random.uniform(0, 30_000),
            midnight_ms + random.uniform(-1, 8) * MINUTE_MS,
            random.uniform(bursts[0].at_ms, end_ms),
        )
    )


def _bursts(random: Random, start_ms: int) -> Sequence[Burst]:
    gap_ms = random.choice((500.0, 5_000.0, 60_000.0, HOUR_MS, DAY_MS, 3 * DAY_MS))
    bursts = []
    at_ms = float(start_ms)
    for _ in range(random.choice((1, 2, 3, 5))):
        spacing_ms = random.choice((0.1, 10.0, 200.0, 1_500.0))
        bursts.append(Burst(at_ms, random.choice((1, 2, 4, 10)), spacing_ms))
        at_ms += random.expovariate(1 / gap_ms)
        if random.random() < 0.04:
            at_ms += random.choice((9, 40)) * DAY_MS
    return bursts


def _limits(random: Random) -> Mapping[str, int]:
    pick = random.choice
    return {
        "BATCH_EVENTS_MAX": pick((1, 2, 5, 500)),
        "BUFFERED_EVENTS_MAX": pick((3, 10, 50_000, 50_000)),
        "COMMIT_LENGTH_MAX": pick((700, 1_500_000)),
        "SEGMENT_LENGTH_MAX": pick((500, 3_000, 1_000_000)),
        "CHECKPOINT_MS": pick((5_000, 300_000)),
        "CHECKPOINT_EVENTS_MAX": pick((3, 50_000)),
        "CHECKPOINT_LENGTH_MAX": pick((300, 1_000_000)),
        "SHARD_READ_LENGTH_MAX": pick((100, 700, 4_000_000)),
        "ROLLUP_PIECE_LENGTH_MAX": pick((300, 2_000_000)),
        "REBUILD_SEGMENTS_MAX": pick((1, 3, 20)),
        "FOLD_LATE_MS": pick((20_000, 3_600_000)),
        "OBSOLETE_MS": pick((60_000, 3_600_000)),
        "SPILL_CHECK_MS": pick((10_000, 300_000)),
        "KV_BULK_GET_KEYS_MAX": pick((2, 100)),
        "metering.tables:_COMMITS_PER_READ": pick((1, 3, 100)),
        "metering.rebuilding:_ROLLUPS_PER_STEP": pick((1, 20)),
    }


def _outages(
    random: Random, bursts: Sequence[Burst], end_ms: float, counts: Sequence[int]
) -> Sequence[tuple[float, float]]:
    """Draw spans, often from the start of a burst on."""
    found = []
    for _ in range(random.choice(counts)):
        begin_ms = _time(random, bursts, end_ms)
        found.append((begin_ms, begin_ms + random.choice((2_000.0, 20_000.0, 240_000.0))))
    return found


def _network(random: Random, bursts: Sequence[Burst], end_ms: float, shards: int) -> Network:
    def share(worst: float) -> float:
        return random.choice((0.0, worst / 10, worst))

    def spans(counts: Sequence[int]) -> Sequence[tuple[int, float, float]]:
        return [
            (random.randrange(shards), *span) for span in _outages(random, bursts, end_ms, counts)
        ]

    return Network(
        lost=share(0.3),
        lost_after_effect=share(0.3),
        repeated=share(0.3),
        slow=share(0.3),
        canceled=random.choice((0.0, 0.5, 1.0)),
        durable_ms=random.choice((0.0, 3.0, 40.0)),
        alarms_late_ms=random.choice((0.0, 1_000.0, 60_000.0)),
        outages=spans((0, 0, 1, 2)),
        versions=spans((0, 0, 0, 1)),
    )


def _temper(random: Random, bursts: Sequence[Burst], end_ms: float) -> Temper:
    def share(worst: float) -> float:
        return random.choice((0.0, worst / 10, worst))

    return Temper(
        refused=share(0.1),
        failed=share(0.05),
        failed_after_effect=share(0.1),
        failed_before_effect=share(0.05),
        slow=share(0.3),
        hangs=share(0.03),
        reads_fail=share(0.1),
        listing_lag_ms=random.choice((0, 5_000, 60_000, LISTING_LAG_MS_MAX)),
        listing_flaps=share(0.3),
        stale=random.choice((0.0, 0.2, 0.7)),
        page_keys=random.choice((3, 1_000)),
        odd_pages=share(0.3),
        outages=_outages(random, bursts, end_ms, (0, 0, 1, 2)),
    )
