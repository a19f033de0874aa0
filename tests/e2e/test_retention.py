"""Segments expire in the local KV after 400 days; totals stay the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import TOKEN
from .local_kv import age, keys
from .marketplace import tenant
from .replaying import Replay, replaying_worker
from .test_rebuild import DAY_MS, HOUR_MS, NOON_MS, call, rebuilt

LATER_MS = NOON_MS + 402 * DAY_MS
"""2027-12-29T12:00Z."""

DIRECTORY = {"tenants": [tenant("mirror", "mirror")]}


@pytest.fixture
def replay(namespace: Path, tmp_path: Path) -> Iterator[Replay]:
    with (
        replaying_worker(tmp_path, namespace, DIRECTORY, TOKEN) as server,
        Replay(server, TOKEN) as replay,
    ):
        yield replay


def test_totals_survive_expired_segments(replay: Replay, tmp_path: Path) -> None:
    def calls(at_ms: int) -> dict[str, int]:
        return {
            window: replay.snapshot(window, at_ms)["heroStats"]["calls"]
            for window in ("today", "week", "overall")
        }

    call(replay, NOON_MS)
    call(replay, NOON_MS + 5 * HOUR_MS)
    call(replay, NOON_MS + DAY_MS)
    assert calls(NOON_MS + 2 * DAY_MS) == {"today": 0, "week": 3, "overall": 3}
    segments = keys(tmp_path, "usage/0/")
    assert segments
    age(tmp_path, 402 * DAY_MS)
    call(replay, LATER_MS)
    call(replay, LATER_MS + HOUR_MS)
    expected = {"today": 2, "week": 2, "overall": 5}
    assert calls(LATER_MS + 2 * HOUR_MS) == expected
    # The first day after the expiry is folded, and the shard forgets the expired segments.
    expected = {"today": 0, "week": 2, "overall": 5}
    assert calls(LATER_MS + DAY_MS) == expected
    events = replay.platform("events?limit=10", LATER_MS + DAY_MS)["events"]
    assert len(events) == 2, "the others have expired"

    (day,) = rebuilt(replay, "from=2026-11-22&to=2026-11-23", LATER_MS + DAY_MS)["days"]
    assert (day["changed"], "have expired" in day["reason"]) == (None, True)
    assert calls(LATER_MS + DAY_MS) == expected
    call(replay, LATER_MS + DAY_MS)
    (day,) = rebuilt(replay, "from=2027-12-30&to=2027-12-31", LATER_MS + DAY_MS)["days"]
    assert (day["changed"], day["reason"]) == (False, None)
    assert replay.snapshot("overall", LATER_MS + DAY_MS)["freshness"]["complete"] is True
