"""Windows equal a plain count at any time, for days of traffic sent to the real Worker."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx

from .caller import eventually
from .conftest import TOKEN
from .expected_snapshot import (
    DAY_MS,
    HOUR_MS,
    Api,
    Call,
    check_apis,
    directories,
    hero_stats,
    in_window,
    series,
)
from .marketplace import tenant
from .replaying import ARRIVES, TAKES, Replay, replaying_worker

MINUTE_MS = 60_000
WINDOWS = ("today", "week", "overall")
DAY_BEFORE_MS = int(datetime(2026, 11, 30, tzinfo=UTC).timestamp()) * 1000
CONCURRENCY = 4

RECORDS = [
    tenant("steady", "crafted", directory="Data", priceUsd="0.25"),
    tenant("shaky", "crafted", directory="Data"),
    tenant("slow", "crafted", directory="Tools"),
    tenant("lonely", "crafted", directory=None, owner=None),
    tenant("ghost", "no-such-script"),
    tenant("priced", "crafted", priceUsd="0.01", x402Enabled=True),
]
APIS = {
    "steady": Api("steady", "ten_steady", "@owner-of-steady", "Data", 0.25),
    "shaky": Api("shaky", "ten_shaky", "@owner-of-shaky", "Data", 0.0),
    "slow": Api("slow", "ten_slow", "@owner-of-slow", "Tools", 0.0),
    "lonely": Api("lonely", "ten_lonely", "@unknown", "APIs", 0.0),
    "ghost": Api("ghost", "ten_ghost", "@owner-of-ghost", "End to end", 0.0, has_script=False),
}
REFUSED = ("priced", "unknown")
STATUSES = {
    "steady": (200, 200, 200, 201, 304, 404),
    "shaky": (200, 200, 408, 429, 500, 502, 503),
    "slow": (200,),
    "lonely": (200, 500),
    "ghost": (404,),
}
TYPICAL_MS = {"slow": 900.0}


@dataclass(frozen=True, slots=True)
class Planned:
    """One request: its arrival, API, status, duration and caller."""

    at_ms: int
    slug: str
    status: int
    takes_ms: int
    caller: tuple[str, str] | None

    @property
    def call(self) -> Call | None:
        """The call that it counts as; None if it is refused before dispatch."""
        if self.slug in REFUSED:
            return None
        caller = "" if self.caller is None else str(self.caller)
        ready_ms = self.at_ms + self.takes_ms
        return Call(APIS[self.slug], ready_ms, self.status, self.takes_ms, caller)


def planned(random: Random, start_ms: int, span_ms: int, count: int) -> list[Planned]:
    """Draw random requests; some hours are busier, some callers call more often."""
    requests = []
    for _ in range(count):
        at_ms = start_ms + int(random.betavariate(2, 1.5) * (span_ms - MINUTE_MS))
        slug = random.choices([*APIS, *REFUSED], (40, 15, 10, 6, 2, 3, 3))[0]
        callers = 2 if slug == "lonely" else 60
        number = min(int(random.paretovariate(0.7)), callers)
        header = ("x-agent-id", "x-api-key")[number % 2]
        # Some requests have no caller header.
        caller = None if random.random() < 0.05 else (header, f"caller-{number}")
        takes_ms = int(random.lognormvariate(0, 0.8) * TYPICAL_MS.get(slug, 60)) + 1
        status = random.choice(STATUSES.get(slug, (0,)))
        requests.append(Planned(at_ms, slug, status, min(takes_ms, 9_000), caller))
    return sorted(requests, key=lambda one: one.at_ms)


async def _send(url: str, requests: Sequence[Planned]) -> None:
    waiting = iter(requests)

    async def worker(client: httpx.AsyncClient) -> None:
        for one in waiting:
            script = "throw" if one.status == 502 else f"answer?status={one.status}"
            headers = {ARRIVES: str(one.at_ms), TAKES: str(one.takes_ms)}
            headers |= dict([one.caller] if one.caller else [])
            response = await client.get(f"{url}/t/{one.slug}/{script}", headers=headers)
            if one.call is not None:
                assert response.status_code == one.status, (one, response.text)
            else:
                assert response.status_code in (402, 404), response.text

    async with httpx.AsyncClient(timeout=60) as client:
        await asyncio.gather(*(worker(client) for _ in range(CONCURRENCY)))


@dataclass(slots=True)
class ReplayedTraffic:
    """A running replay with the calls sent so far."""

    replay: Replay
    url: str
    sent: list[Call]

    def send(self, requests: Sequence[Planned]) -> None:
        asyncio.run(_send(self.url, requests))
        self.sent += [call for one in requests if (call := one.call)]
        eventually(
            lambda: (
                self.replay.platform("health", requests[-1].at_ms)["isolate"]["eventsBuffered"] == 0
            ),
            "all events to be acknowledged",
        )

    def read(self, now_ms: int) -> None:
        """Read and check all windows."""
        windows = self.replay.platform("analytics?top=100", now_ms)["windows"]
        assert tuple(windows) == WINDOWS
        for name, shown in windows.items():
            self._check(name, shown, now_ms)

    def _check(self, window: str, shown: dict[str, Any], now_ms: int) -> None:
        calls = in_window(self.sent, window, now_ms)
        assert shown["freshness"]["complete"] is True
        assert shown["heroStats"] == hero_stats(calls)
        check_apis(shown["allApis"], calls, window, now_ms)
        assert shown["topApis"] == shown["allApis"]
        assert shown["directories"] == directories(calls)
        assert shown["series"] == series(calls, window, now_ms)


@contextmanager
def replayed_traffic(state: Path, namespace: Path, sent: list[Call]) -> Iterator[ReplayedTraffic]:
    with (
        replaying_worker(state, namespace, {"tenants": RECORDS}, TOKEN) as server,
        Replay(server, TOKEN) as replay,
    ):
        yield ReplayedTraffic(replay, server.url, sent)


def test_windows_equal_a_plain_count_whenever_they_are_read(
    namespace: Path, tmp_path: Path
) -> None:
    random = Random(1)
    sent: list[Call] = []
    day_ms = DAY_BEFORE_MS + DAY_MS
    with replayed_traffic(tmp_path, namespace, sent) as replay:
        # Days before and within the week, which are folded as the next ones begin.
        for days_ago in range(9, 0, -1):
            start_ms = day_ms - days_ago * DAY_MS
            replay.send(planned(random, start_ms, DAY_MS, 60))
            if days_ago in (8, 2):
                replay.read(start_ms + DAY_MS - 1)
        # The first of December, read at many times.
        requests = planned(random, day_ms, DAY_MS, 1_500)
        for start_ms in range(day_ms, day_ms + DAY_MS, 2 * HOUR_MS):
            end_ms = start_ms + 2 * HOUR_MS
            replay.send([one for one in requests if start_ms <= one.at_ms < end_ms])
            replay.read(end_ms - random.choice((1, MINUTE_MS // 2)))
    with replayed_traffic(tmp_path, namespace, sent) as replay:
        # Another isolate with empty memory: just before and after midnight, before and after the
        # day is folded, and on later days.
        for now_ms in (
            day_ms + DAY_MS - 1,
            day_ms + DAY_MS + MINUTE_MS,
            day_ms + DAY_MS + 25 * MINUTE_MS,
            day_ms + 2 * DAY_MS + 1,
            day_ms + 8 * DAY_MS,
        ):
            replay.read(now_ms)
    assert len(sent) > 1_800
