"""Generates usage events of past days; the same seed gives the same events.

Agents make several calls within a minute and return on other days; new ones join over time.
All generated request ids begin with `demo-`.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from core.calendar import DAY_MS, HOUR_MS
from dev.history.profiles import PROFILES, Profile
from metering.events import Api, UsageEvent

AGENTS = 240
SESSION_CALLS = 6
"""Mean calls of a session."""
SESSION_MS = 50_000
"""Maximum duration of a session."""
UNPAID_SHARE = 0.35
"""Share of paid calls that follow a request without payment."""
CLIENT_ERRORS = (400, 404, 422)
CLIENT_ERROR_SHARE = 0.03
PAYMENT_REQUIRED = "payment_required"


@dataclass(frozen=True, slots=True)
class Span:
    """The generated time range: from midnight UTC to `end_ms`.

    Args:
        days: Number of days, from 1; the last one ends at `end_ms`.
        end_ms: The end, in milliseconds since 1970 UTC.
    """

    days: int
    end_ms: int

    @property
    def first_day(self) -> int:
        """The first day, in UTC days since 1970."""
        return self.end_ms // DAY_MS - self.days + 1

    @property
    def start_ms(self) -> int:
        """The start, at midnight UTC."""
        return self.first_day * DAY_MS


@dataclass(frozen=True, slots=True)
class _Incident:
    start_ms: int
    end_ms: int

    def includes(self, at_ms: int) -> bool:
        return self.start_ms <= at_ms < self.end_ms


def make_events(
    apis: Mapping[str, Api], priced: frozenset[str], span: Span, seed: int
) -> list[UsageEvent]:
    """Generate the events of `span`, in order of time.

    Args:
        apis: The APIs of the directory by slug; those without a profile are not called.
        priced: The slugs of the APIs that are paid at the edge.
        span: The time range.
        seed: The same seed gives the same events.
    """
    events: list[UsageEvent] = []
    for slug in sorted(apis.keys() & PROFILES.keys()):
        random = Random(f"{seed}/{slug}")  # noqa: S311 (made-up traffic, not secrets)
        source = _ApiTraffic(apis[slug], PROFILES[slug], span, random, is_priced=slug in priced)
        events += source.events()
    events.sort(key=lambda event: (event.at_ms, event.api, event.latency_ms, event.caller))
    return [
        event._replace(request_id=f"demo-{number:07x}") for number, event in enumerate(events, 1)
    ]


class _ApiTraffic:
    """Generates the events of one API."""

    def __init__(
        self,
        api: Api,
        profile: Profile,
        span: Span,
        random: Random,
        *,
        is_priced: bool,
    ) -> None:
        self.api, self.profile, self.is_priced = api, profile, is_priced
        self.span, self.random = span, random
        # The agents that call this API; the first ones call it most.
        self.agents = random.sample(range(AGENTS), k=AGENTS // 4)
        self.incidents = [_incident(span, random) for _ in range(profile.incidents)]

    def events(self) -> Iterator[UsageEvent]:
        for day in range(self.span.first_day, self.span.first_day + self.span.days):
            sessions = self._sessions(day)
            for hour in self.random.choices(range(24), self.profile.hours, k=sessions):
                start_ms = day * DAY_MS + hour * HOUR_MS + self.random.randrange(HOUR_MS)
                yield from self._session(day, start_ms)

    def _sessions(self, day: int) -> int:
        profile = self.profile
        age_days = self.span.first_day + self.span.days - 1 - day
        calls: float = profile.daily_calls * profile.growth ** (-age_days / 30)
        # 1970-01-01 was a Thursday.
        calls *= profile.weekend if (day + 3) % 7 >= 5 else 1
        calls *= self.random.lognormvariate(0, 0.12)
        whole, rest = divmod(calls / SESSION_CALLS, 1)
        return int(whole) + (self.random.random() < rest)

    def _session(self, day: int, start_ms: int) -> Iterator[UsageEvent]:
        caller = self._caller(day)
        calls = 1 + int(self.random.expovariate(1 / (SESSION_CALLS - 0.5)))
        times = sorted(self.random.randrange(SESSION_MS) for _ in range(calls))
        for offset_ms in times:
            at_ms = start_ms + offset_ms
            if self.is_priced and self.random.random() < UNPAID_SHARE:
                yield from self._if_within_span(
                    self._event(at_ms - 900, 402, 3, caller, PAYMENT_REQUIRED)
                )
            yield from self._if_within_span(self._call(at_ms, caller))

    def _caller(self, day: int) -> str:
        """Choose an agent that has joined by that day; a few make most of the calls."""
        share = (day - self.span.first_day + 1) / self.span.days
        joined = max(8, int(len(self.agents) * (0.4 + 0.6 * share)))
        rank = int(self.random.paretovariate(0.9)) - 1
        name = f"demo agent {self.agents[rank % joined]}"
        return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()

    def _call(self, at_ms: int, caller: str) -> UsageEvent:
        profile, random = self.profile, self.random
        in_incident = any(one.includes(at_ms) for one in self.incidents)
        latency_ms = max(1, round(profile.latency_ms * math.exp(random.gauss(0, 0.65))))
        if in_incident:
            latency_ms *= random.randint(2, 6)
        fails = random.random() < (0.5 if in_incident else profile.error_rate)
        if fails and random.random() < 0.4:
            return self._event(at_ms, 502, latency_ms, caller, "tenant_worker_failure")
        if fails:
            return self._event(at_ms, random.choice((500, 503)), latency_ms, caller, "served")
        if random.random() < CLIENT_ERROR_SHARE:
            return self._event(at_ms, random.choice(CLIENT_ERRORS), latency_ms, caller, "served")
        # Only served calls are paid.
        revenue = self.api.price_micros if self.is_priced else 0
        return self._event(at_ms, 200, latency_ms, caller, "served", revenue)

    def _event(
        self, at_ms: int, status: int, latency_ms: int, caller: str, outcome: str, revenue: int = 0
    ) -> UsageEvent:
        is_call = outcome != PAYMENT_REQUIRED
        return UsageEvent(
            "", at_ms, self.api, "GET", status, latency_ms, caller, outcome, is_call, revenue
        )

    def _if_within_span(self, event: UsageEvent) -> Sequence[UsageEvent]:
        return [event] if self.span.start_ms <= event.at_ms < self.span.end_ms else []


def _incident(span: Span, random: Random) -> _Incident:
    start_ms = span.start_ms + int(random.random() * (span.end_ms - span.start_ms))
    return _Incident(start_ms, start_ms + random.randint(40, 180) * 60_000)
