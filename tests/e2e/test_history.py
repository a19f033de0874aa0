"""`make demo HISTORY=` generates past days, and the dispatcher shows every generated call."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import keys
from dev.history.traffic import Span, make_events
from dev.launch import Server, running_dispatcher
from metering.events import UsageEvent
from tests.support.prepared_start import prepared_start
from tests.unit.history.test_traffic import APIS, PRICED

from . import local_kv
from .caller import Caller
from .marketplace import DEMO_NAMESPACE, DEMO_TENANTS, REPOSITORY

DAYS = 3


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dispatcher's STATE."""
    return tmp_path_factory.mktemp("history")


@pytest.fixture(scope="module")
def seeded(state: Path) -> Iterator[Server]:
    """A dispatcher as `make dev` starts it, with one call made before history is generated."""
    with running_dispatcher(
        state=state,
        tenants=DEMO_TENANTS.read_text(encoding="utf-8"),
        namespace=DEMO_NAMESPACE,
        prepared=prepared_start(),
        with_api=True,
    ) as server:
        with Caller(server.url, "dev-token") as caller:
            assert caller.request("/t/mirror/").status_code == 200
            caller.snapshot("overall")
        generated = history(server)
        assert generated.returncode == 0, generated.stdout + generated.stderr
        yield server


def history(server: Server, days: str = str(DAYS)) -> subprocess.CompletedProcess[str]:
    variables = {"PYTHONPATH": "src", "HISTORY": days, "PORT": str(server.port)}
    return subprocess.run(
        [sys.executable, "-m", "dev.history"],
        cwd=REPOSITORY,
        env={**os.environ, **variables, "VARS": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def planned(state: Path) -> list[UsageEvent]:
    """Return the expected events, generated again with the stored seed."""
    mark = json.loads(local_kv.value(state, keys.DEMO_HISTORY))
    assert (mark["complete"], mark["days"]) == (True, DAYS)
    return make_events(APIS, PRICED, Span(DAYS, mark["endMs"]), mark["seed"])


def check_totals(server: Server, events: list[UsageEvent]) -> None:
    """Compare `overall` with a count of the generated events and the one earlier call."""
    calls = [event for event in events if event.counted and event.api]
    with Caller(server.url, "dev-token") as caller:
        snapshot = caller.snapshot("overall")
    revenue = sum(event.revenue_micros for event in events)
    assert snapshot["heroStats"] == {
        "activeAgents": len({event.caller for event in calls}) + 1,
        "publishedApis": len({event.api for event in calls}),
        "directories": len({event.api.directory for event in calls if event.api}),
        "calls": len(calls) + 1,
        "revenueUsd": round(revenue / 1_000_000, 2),
        "revenueMicros": revenue,
    }
    by_api = Counter(event.api.slug for event in calls if event.api)
    by_api["mirror"] += 1
    shown = {row["endpoint"]: row["calls"] for row in snapshot["allApis"]}
    assert shown == {f"/t/{slug}": count for slug, count in by_api.items()}
    assert snapshot["freshness"]["complete"]


def test_overall_equals_a_plain_count(seeded: Server, state: Path) -> None:
    check_totals(seeded, planned(state))


def test_health_reports_no_problems_and_a_notice_about_demo_data(seeded: Server) -> None:
    with Caller(seeded.url, "dev-token") as caller:
        health = caller.platform("health")
        yesterday = caller.snapshot("today")["previous"]
    assert health["problems"] == []
    assert "demo_data" in [notice["code"] for notice in health["notices"]]
    assert yesterday is not None


def test_a_second_run_adds_nothing_and_reports_it(seeded: Server, state: Path) -> None:
    again = history(seeded)
    assert again.returncode == 0
    assert "nothing was added" in again.stderr
    check_totals(seeded, planned(state))


def test_an_interrupted_run_is_completed_without_counting_twice(
    seeded: Server, state: Path
) -> None:
    events = planned(state)
    local_kv.replace(state, keys.DEMO_HISTORY, '"complete": true', '"complete": false')
    again = history(seeded, "9")
    assert (again.returncode, "Generated" in again.stderr) == (0, True), again.stderr
    assert planned(state) == events
    check_totals(seeded, events)


@pytest.mark.parametrize("days", ["0", "91", "many"])
def test_an_invalid_number_of_days_is_refused(seeded: Server, days: str) -> None:
    refused = history(seeded, days)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
