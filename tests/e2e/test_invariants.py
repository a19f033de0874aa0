"""Health reports a damaged summary in the local KV, and its remedy repairs it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .caller import eventually
from .conftest import TOKEN
from .local_kv import cut_short, keys
from .marketplace import tenant
from .replaying import Replay, replaying_worker

MINUTE_MS = 60_000
START_MS = 1_795_348_800_000
"""2026-11-22T12:00Z."""
NOW_MS = START_MS + 100 * MINUTE_MS

DIRECTORY = {"tenants": [tenant("mirror", "mirror")]}
PLATFORM = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def replay(namespace: Path, tmp_path: Path) -> Iterator[Replay]:
    with (
        replaying_worker(tmp_path, namespace, DIRECTORY, TOKEN) as server,
        Replay(server, TOKEN) as replay,
    ):
        yield replay


def test_a_damaged_summary_is_reported_and_its_remedy_repairs_it(
    replay: Replay, tmp_path: Path
) -> None:
    def invariants() -> dict[str, dict[str, Any]]:
        found: list[dict[str, Any]] = replay.log(NOW_MS)["invariants"]
        return {one["name"]: one for one in found if one["value"]}

    for minute in range(5, 95, 10):
        replay.request("/t/mirror/", START_MS + minute * MINUTE_MS)
    eventually(lambda: len(keys(tmp_path, "usage/")) == 9, "nine batches")
    replay.cron(NOW_MS)
    assert invariants() == {}
    assert replay.platform("health", NOW_MS)["healthy"] is True

    # An hour whose summary is final, and a minute after it.
    damaged = ["summary/hour/7973-01-09T11", "summary/minute/7973-01-09T10:34"]
    assert keys(tmp_path, "summary/") >= set(damaged)
    for key in damaged:
        cut_short(tmp_path, key)
    reported = invariants()
    assert set(reported) == {"summariesUnread"}
    assert reported["summariesUnread"]["value"] == 2
    assert all(key in reported["summariesUnread"]["explanation"] for key in damaged)
    health = replay.platform("health", NOW_MS)
    assert health["healthy"] is False
    assert [problem["code"] for problem in health["problems"]] == ["invariant_broken"]

    remedy = reported["summariesUnread"]["remedy"].split()[1]
    repaired = replay.request(remedy, NOW_MS, method="POST", headers=PLATFORM).json()
    assert (repaired["complete"], repaired["changed"]) == (True, damaged)
    assert invariants() == {}
    assert replay.snapshot("today", NOW_MS)["heroStats"]["calls"] == 9
