"""Days are rebuilt from the log; damage to stored totals is repaired, or reported."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from .caller import Caller, eventually
from .conftest import TOKEN
from .local_kv import cut_short, delete, keys
from .marketplace import tenant
from .replaying import Replay, replaying_worker

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
NOON_MS = 1_795_348_800_000
"""2026-11-22T12:00Z."""
DAYS = 3
CALLS = 4
MINUTE_MS = 60_000
FOLDED_MS = NOON_MS + DAYS * DAY_MS
NOW_MS = FOLDED_MS + HOUR_MS
"""Long after a fold, because until then KV may not show what it wrote."""

DIRECTORY = {"tenants": [tenant("mirror", "mirror")]}
PLATFORM = {"authorization": f"Bearer {TOKEN}"}
WINDOWS = ("today", "week", "overall")


def call(replay: Replay, at_ms: int) -> None:
    """Send a request, and wait until its event is acknowledged."""
    assert replay.request("/t/mirror/", at_ms).status_code == 200
    eventually(
        lambda: replay.platform("health", at_ms)["isolate"]["eventsBuffered"] == 0,
        "the event to be acknowledged",
    )


@pytest.fixture
def replay(namespace: Path, tmp_path: Path) -> Iterator[Replay]:
    """A Worker with calls on some days, which are folded."""
    with (
        replaying_worker(tmp_path, namespace, DIRECTORY, TOKEN) as server,
        Replay(server, TOKEN) as replay,
    ):
        for number in range(DAYS * CALLS):
            call(replay, NOON_MS + number // CALLS * DAY_MS + number % CALLS * HOUR_MS)
        replay.snapshot("overall", FOLDED_MS)
        eventually(lambda: keys(tmp_path, "rollup/0/2026-11-24."), "the last fold")
        yield replay


def windows(replay: Replay, now_ms: int = NOW_MS) -> list[Any]:
    """Return the rows and series of each window."""
    shown = [replay.snapshot(window, now_ms) for window in WINDOWS]
    assert all(snapshot["freshness"]["complete"] for snapshot in shown)
    return [(one["heroStats"], one["allApis"], one["series"]) for one in shown]


def rollup_of(state: Path, day: str) -> str:
    """Return the key of a day's newest roll-up."""
    prefix = f"rollup/0/{day}."
    return max(keys(state, prefix), key=lambda key: int(key.removeprefix(prefix)))


def rebuilt(replay: Replay, query: str, now_ms: int = NOW_MS) -> Any:
    response = replay.request(
        f"/__platform/compact?{query}", now_ms, method="POST", headers=PLATFORM
    )
    assert response.status_code == 200, response.text
    return response.json()


def broken_invariants(replay: Replay, now_ms: int) -> list[str]:
    found = replay.log(now_ms)["invariants"]
    return [one["name"] for one in found if one["needsSomeone"]]


def test_rebuilding_intact_days_changes_nothing(replay: Replay) -> None:
    before = windows(replay)
    report = rebuilt(replay, "from=2026-11-22&to=2026-11-26")
    assert (report["complete"], report["changed"]) == (True, [])
    assert [one["day"] for one in report["days"]] == [f"2026-11-{day}" for day in range(22, 26)]
    assert all(one["reason"] is None for one in report["days"])
    assert windows(replay) == before


def test_a_damaged_rollup_is_rebuilt(replay: Replay, tmp_path: Path) -> None:
    before = windows(replay)
    damaged = rollup_of(tmp_path, "2026-11-23")
    cut_short(tmp_path, damaged)
    report = rebuilt(replay, "from=2026-11-22T00:00Z&to=2026-11-25T00:00Z")
    assert (report["complete"], report["changed"]) == (True, ["2026-11-23"])
    assert rollup_of(tmp_path, "2026-11-23") != damaged
    assert windows(replay) == before
    assert rebuilt(replay, "from=2026-11-23&to=2026-11-24")["changed"] == []
    assert broken_invariants(replay, NOW_MS) == []


def test_damage_is_repaired_by_the_next_fold(replay: Replay, tmp_path: Path) -> None:
    for key in {rollup_of(tmp_path, "2026-11-24"), *keys(tmp_path, "base/0/overall/")}:
        cut_short(tmp_path, key)
    call(replay, NOW_MS)
    # The repair takes several steps, as time passes.
    minutes = count(NOW_MS + DAY_MS, MINUTE_MS)
    eventually(
        lambda: (
            not broken_invariants(replay, next(minutes)) and keys(tmp_path, "rollup/0/2026-11-25")
        ),
        "the fold",
    )
    later_ms = next(minutes)
    for window in ("week", "overall"):
        shown = replay.snapshot(window, later_ms)
        assert shown["heroStats"]["calls"] == DAYS * CALLS + 1
        assert shown["freshness"]["complete"] is True


def test_a_day_whose_segments_are_lost_keeps_its_totals(replay: Replay, tmp_path: Path) -> None:
    before = windows(replay)
    for key in keys(tmp_path, "usage/0/"):
        delete(tmp_path, key)
    report = rebuilt(replay, "from=2026-11-23&to=2026-11-24")
    (day,) = report["days"]
    assert (report["complete"], report["changed"]) == (True, [])
    assert "is missing" in day["reason"]
    assert windows(replay) == before


def test_damage_that_cannot_be_repaired_is_reported(replay: Replay, tmp_path: Path) -> None:
    damaged = rollup_of(tmp_path, "2026-11-23")
    cut_short(tmp_path, damaged)
    for key in keys(tmp_path, "usage/0/"):
        delete(tmp_path, key)
    # A late event of that day is folded after an hour.
    call(replay, NOW_MS)
    call(replay, NOON_MS + DAY_MS)
    # KV may show the missing values later, so the shard waits before it gives up.
    hours = count(NOW_MS + 2 * HOUR_MS, HOUR_MS)
    eventually(
        lambda: "damagedTotals" in broken_invariants(replay, next(hours)), "the damage in health"
    )
    later_ms = next(hours)
    health = replay.platform("health", later_ms)
    assert health["healthy"] is False
    assert damaged in str(health["log"]["shards"])
    freshness = replay.snapshot("overall", later_ms)["freshness"]
    assert (freshness["complete"], freshness["damagedTotals"]) == (False, [damaged])


@pytest.mark.parametrize(
    "query",
    [
        "",
        "from=now&to=later",
        "from=2026-11-22&to=x",
        "from=2026-11-22&to=2026-11-22",
        "from=2026-01-01&to=2026-11-22",
    ],
)
def test_an_invalid_range_is_refused(caller: Caller, query: str) -> None:
    response = caller.request(f"/__platform/compact?{query}", method="POST", headers=PLATFORM)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_parameter")


def test_a_rebuild_needs_a_token_and_post(caller: Caller) -> None:
    query = "from=2026-11-22&to=2026-11-23"
    assert caller.request(f"/__platform/compact?{query}", method="POST").status_code == 401
    assert caller.request(f"/__platform/compact?{query}", headers=PLATFORM).status_code == 405
