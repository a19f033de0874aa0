"""Generates events from a seed, skewed over APIs and callers like a marketplace."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from metering.events import Api, UsageEvent

PRICE_MICROS = 10_000


def _zipf(count: int) -> Sequence[float]:
    """Return the cumulative weights of Zipf's law with exponent 1."""
    return list(itertools.accumulate(1 / rank for rank in range(1, count + 1)))


@dataclass(slots=True)
class Traffic:
    """Events of `apis` APIs by `agents` callers, both distributed by Zipf's law.

    All APIs have the same callers, the worst case for counting distinct callers.
    """

    apis: int = 1_000
    agents: int = 20_000
    _apis: Sequence[Api] = field(init=False)
    _callers: Sequence[str] = field(init=False)
    _api_weights: Sequence[float] = field(init=False)
    _caller_weights: Sequence[float] = field(init=False)

    def __post_init__(self) -> None:
        """Generate APIs and callers; they do not depend on the seed of the events."""
        chance = random.Random(1)  # noqa: S311
        self._apis = [
            Api(f"t-{number}", f"api-{number}", f"@o{number % 300}", f"D{number % 20}", 10_000)
            for number in range(self.apis)
        ]
        self._callers = [f"{chance.getrandbits(64):016x}" for _ in range(self.agents)]
        self._api_weights = _zipf(self.apis)
        self._caller_weights = _zipf(self.agents)

    def events(self, seed: str, start_ms: int, end_ms: int, count: int) -> Iterator[UsageEvent]:
        """Yield `count` events in [start_ms, end_ms), in order of time."""
        chance = random.Random(seed)  # noqa: S311
        times = sorted(int(start_ms + chance.random() * (end_ms - start_ms)) for _ in range(count))
        apis = chance.choices(self._apis, cum_weights=self._api_weights, k=count)
        callers = chance.choices(self._callers, cum_weights=self._caller_weights, k=count)
        latencies = chance.choices([int(20 * 1.02**step) for step in range(200)], k=count)
        statuses = chance.choices([200, 404, 500], weights=[97, 2, 1], k=count)
        drawn = zip(times, apis, callers, latencies, statuses, strict=True)
        for number, (at_ms, api, caller, latency_ms, status) in enumerate(drawn):
            yield UsageEvent(
                f"{seed}-{number:06d}",
                at_ms,
                api,
                "GET",
                status,
                latency_ms,
                caller,
                "served",
                counted=True,
                revenue_micros=PRICE_MICROS,
            )


def grouped(
    events: Iterator[UsageEvent], delay_ms: int, most: int
) -> Iterator[tuple[int, list[UsageEvent]]]:
    """Group events like an isolate's group commit; yield each group with its minute."""
    group: list[UsageEvent] = []
    for event in events:
        if group and (
            event.at_ms - group[0].at_ms > delay_ms
            or len(group) >= most
            or event.at_ms // 60_000 != group[0].at_ms // 60_000
        ):
            yield group[0].at_ms // 60_000, group
            group = []
        group.append(event)
    if group:
        yield group[0].at_ms // 60_000, group
