"""Cron and reads write summaries in the real Worker; totals do not change."""

import json
import time
from pathlib import Path

import httpx
import pytest

from dev.launch import Server

from .caller import Caller, eventually
from .conftest import TOKEN, Starter
from .marketplace import DEMO_TENANTS

PLATFORM = {"authorization": f"Bearer {TOKEN}"}
MINUTE_SECONDS = 60
DIRECTORY = json.loads(DEMO_TENANTS.read_text(encoding="utf-8"))


def fire_cron(server: Server) -> None:
    """Run cron once."""
    response = httpx.get(f"{server.url}/cdn-cgi/local/scheduled", timeout=60)
    assert (response.status_code, response.text) == (200, "ok")


def log_of(caller: Caller) -> dict[str, object]:
    """Return what health reports about the log."""
    log: dict[str, object] = caller.request("/__platform/health", headers=PLATFORM).json()["log"]
    return log


def test_cron_summarizes_ended_minutes_without_changing_totals(
    start: Starter, tmp_path: Path
) -> None:
    with start(tmp_path, DIRECTORY) as server, Caller(server.url, TOKEN) as caller:
        for _ in range(20):
            assert caller.request("/t/feasts/").status_code == 200
        before = caller.snapshot("overall")["allApis"]
        fire_cron(server)
        eventually(lambda: log_of(caller)["compactedUntil"] is not None, "the first compaction", 10)
        # The minute of the calls must have ended.
        ended_at = time.monotonic() + MINUTE_SECONDS + 2
        eventually(lambda: time.monotonic() > ended_at, "the minute to end", 2 * MINUTE_SECONDS)
        fire_cron(server)
        assert log_of(caller)["backlogMinutes"] in (0, 1)
        assert caller.snapshot("overall")["allApis"] == before
        for window in ("today", "week", "overall"):
            assert caller.snapshot(window)["freshness"]["complete"] is True
    with start(tmp_path, DIRECTORY) as server, Caller(server.url, TOKEN) as caller:
        assert caller.snapshot("overall")["allApis"] == before, "after a restart"


def test_rebuilding_correct_summaries_changes_nothing(caller: Caller) -> None:
    now = time.gmtime()
    today = time.strftime("%Y-%m-%d", now)
    query = f"from={today}T00:00Z&to={today}T01:00Z"
    response = caller.request(f"/__platform/compact?{query}", method="POST", headers=PLATFORM)
    assert response.status_code == 200
    assert (response.json()["complete"], response.json()["changed"]) == (True, [])


@pytest.mark.parametrize("query", ["", "from=now&to=later", "from=2026-11-22T00:00Z&to=x"])
def test_an_invalid_range_is_refused(caller: Caller, query: str) -> None:
    response = caller.request(f"/__platform/compact?{query}", method="POST", headers=PLATFORM)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_parameter")


def test_compaction_needs_a_token_and_post(caller: Caller) -> None:
    query = "from=2026-11-22T00:00Z&to=2026-11-22T01:00Z"
    assert caller.request(f"/__platform/compact?{query}", method="POST").status_code == 401
    assert caller.request(f"/__platform/compact?{query}", headers=PLATFORM).status_code == 405
