"""Batches expire in the local KV after 40 days; totals stay the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .caller import eventually
from .conftest import TOKEN
from .local_kv import age, delete, keys
from .marketplace import tenant
from .replaying import Replay, replaying_worker

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
START_MS = 1_786_708_800_000
"""2026-08-14T12:00Z."""
NOW_MS = START_MS + 46 * DAY_MS

DIRECTORY = {"tenants": [tenant("mirror", "mirror")]}


@pytest.fixture
def replay(namespace: Path, tmp_path: Path) -> Iterator[Replay]:
    with (
        replaying_worker(tmp_path, namespace, DIRECTORY, TOKEN) as server,
        Replay(server, TOKEN) as replay,
    ):
        yield replay


def test_totals_survive_expired_batches_and_lost_compaction_progress(
    replay: Replay, tmp_path: Path
) -> None:
    def call(at_ms: int, batches: int) -> None:
        assert replay.request("/t/mirror/", at_ms).status_code == 200
        eventually(lambda: len(keys(tmp_path, "usage/")) == batches, f"batch {batches}")

    def calls() -> dict[str, int]:
        return {
            window: replay.snapshot(window, NOW_MS + HOUR_MS)["heroStats"]["calls"]
            for window in ("today", "week", "overall")
        }

    call(START_MS, 1)
    call(START_MS + 5 * HOUR_MS, 2)
    replay.cron(START_MS + DAY_MS)
    age(tmp_path, 46 * DAY_MS)
    call(NOW_MS, 3)
    assert len(replay.platform("events", NOW_MS)["events"]) == 1, "the others have expired"
    expected = {"today": 1, "week": 1, "overall": 3}
    assert calls() == expected
    replay.cron(NOW_MS + HOUR_MS)
    assert calls() == expected
    delete(tmp_path, "summary/progress")
    replay.cron(NOW_MS + HOUR_MS)
    assert calls() == expected, "after progress was lost"
    assert replay.snapshot("overall", NOW_MS + HOUR_MS)["freshness"]["complete"] is True

    headers = {"authorization": f"Bearer {TOKEN}"}
    old = "/__platform/compact?from=2026-08-14T12:00Z&to=2026-08-14T13:00Z"
    refused = replay.request(old, NOW_MS, method="POST", headers=headers)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_parameter")
    assert "2026-08-21T12:00:00.000Z or later" in refused.json()["message"]
    assert calls() == expected
