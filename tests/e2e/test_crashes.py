"""After repeated `kill -9` under load, the log has every acknowledged event once."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

import httpx

from dev.launch import Server

from .caller import Caller
from .conftest import TOKEN, Starter
from .marketplace import DEMO_TENANTS

CRASHES = 10
CONCURRENCY = 16
RESPONSES_MIN = 150
DELAY_SECONDS = 0.15
"""How long a recorder waits before it sends a batch, and a shard before it commits."""

LOAD_SECONDS = 6 * DELAY_SECONDS
"""How long there is load before a crash, however fast the machine is: most events are sent."""

BUSY_SECONDS = 1
"""Longer than a call to a shard takes on a busy machine."""

DIRECTORY = json.loads(DEMO_TENANTS.read_text(encoding="utf-8"))


async def load_until_killed(server: Server) -> Mapping[str, float]:
    """Send requests for some time, then kill the server while others are in flight.

    Returns how many seconds before the kill each response came, by request id.
    """
    answered: dict[str, float] = {}
    started = time.monotonic()
    killed_at = 0.0

    async def send(client: httpx.AsyncClient) -> None:
        nonlocal killed_at
        with suppress(httpx.HTTPError):
            while not killed_at:
                response = await client.get("/t/feasts/")
                if killed_at and response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
                    # miniflare's own server responds for the workerd that was killed.
                    return
                assert response.status_code == HTTPStatus.OK
                now = answered[response.headers["x-request-id"]] = time.monotonic()
                has_load = now >= started + LOAD_SECONDS and len(answered) >= RESPONSES_MIN
                if has_load and not killed_at:
                    killed_at = now
                    server.kill_hard()

    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        await asyncio.gather(*(send(client) for _ in range(CONCURRENCY)))
    return {name: max(0.0, killed_at - at) for name, at in answered.items()}


def test_a_crash_loses_only_the_latest_events_and_counts_none_twice(
    start: Starter, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    answered: dict[str, float] = {}
    for _ in range(CRASHES):
        with start(tmp_path, DIRECTORY) as server:
            answered |= asyncio.run(load_until_killed(server))

    with start(tmp_path, DIRECTORY) as server, Caller(server.url, TOKEN) as caller:
        kept = Counter(event["requestId"] for event in caller.events())
        assert set(kept.values()) == {1}, "no event is in the log twice"
        assert caller.calls() == len(kept), "totals equal the log"
        assert caller.snapshot("overall")["freshness"]["complete"] is True

    lost = [seconds for name, seconds in answered.items() if name not in kept]
    oldest_seconds = max(lost, default=0.0)
    record_property("answered", len(answered))
    record_property("lost", len(lost))
    record_property("oldest_lost_ms", round(1000 * oldest_seconds))
    print(f"{len(answered)} answered, {len(lost)} lost, the oldest {oldest_seconds:.3f} s old")
    assert len(lost) < len(answered) / 2
    # Older events had time for both waits, a call and a commit.
    assert oldest_seconds < DELAY_SECONDS + BUSY_SECONDS
