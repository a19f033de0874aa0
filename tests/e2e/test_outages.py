"""While the local KV fails, requests are served and no event is lost."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dev.launch import running_dispatcher
from tests.support.explore_shape import check
from tests.support.prepared_start import prepared_start

from .caller import Caller, eventually
from .conftest import TOKEN
from .marketplace import DEMO_NAMESPACE, DEMO_TENANTS

PLATFORM = {"authorization": f"Bearer {TOKEN}"}


@contextmanager
def refusing_kv(state: Path) -> Iterator[None]:
    """Lock miniflare's databases, so that KV fails as in an outage."""
    with ExitStack() as stack:
        for file in state.rglob("*.sqlite"):
            database = sqlite3.connect(file, isolation_level=None, timeout=10)
            stack.callback(database.close)
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
            if "_mf_entries" in tables:
                database.execute("BEGIN EXCLUSIVE")
                stack.callback(database.execute, "ROLLBACK")
        yield


def isolate(caller: Caller) -> dict[str, int]:
    """Return what health reports about the isolate's events."""
    counts: dict[str, int] = caller.request("/__platform/health", headers=PLATFORM).json()[
        "isolate"
    ]
    return counts


def test_a_kv_outage_delays_no_response_and_loses_no_event(
    tmp_path: Path,
) -> None:
    with (
        running_dispatcher(
            state=tmp_path,
            tenants=DEMO_TENANTS.read_text(encoding="utf-8"),
            namespace=DEMO_NAMESPACE,
            prepared=prepared_start(),
            variables={"PLATFORM_ANALYTICS_TOKEN": TOKEN},
        ) as server,
        Caller(server.url, TOKEN) as caller,
    ):
        assert caller.request("/t/feasts/").status_code == 200
        eventually(lambda: isolate(caller)["eventsCommitted"] == 1, "the first commit")
        with refusing_kv(tmp_path):
            for _ in range(50):
                assert caller.request("/t/feasts/").status_code == 200
            eventually(lambda: isolate(caller)["putsFailed"] > 0, "a put that was refused")
            assert isolate(caller)["eventsHeld"] == 50
            response = caller.request("/__platform/analytics?window=today", headers=PLATFORM)
            assert (response.status_code, response.json()["error"]) == (500, "internal_error")
            assert "KV does not respond" in response.json()["message"]
            page = caller.request("/api/explore/analytics")
            assert (page.status_code, page.json()["ok"]) == (200, False)
            assert page.json()["error"] == "upstream_unreachable"
            check(page.json()["snapshot"], "today", 25)
            health = caller.request("/__platform/health", headers=PLATFORM).json()
            assert any("USAGE_KV" in problem["message"] for problem in health["problems"])
        eventually(lambda: isolate(caller)["eventsHeld"] == 0, "everything committed")
        assert isolate(caller)["eventsDropped"] == 0
        assert caller.calls() == 51


def test_after_a_leader_gave_up_the_next_request_writes_the_events(tmp_path: Path) -> None:
    with (
        running_dispatcher(
            state=tmp_path,
            tenants=DEMO_TENANTS.read_text(encoding="utf-8"),
            namespace=DEMO_NAMESPACE,
            prepared=prepared_start(),
            variables={"PLATFORM_ANALYTICS_TOKEN": TOKEN},
        ) as server,
        Caller(server.url, TOKEN) as caller,
    ):
        assert caller.request("/t/feasts/").status_code == 200
        eventually(lambda: isolate(caller)["eventsCommitted"] == 1, "the first commit")
        with refusing_kv(tmp_path):
            assert caller.request("/t/feasts/").status_code == 200
            gives_up_at = time.monotonic() + 32
            eventually(lambda: time.monotonic() > gives_up_at, "the leader to give up", 60)
            assert isolate(caller)["eventsHeld"] == 1
        assert caller.request("/t/feasts/").status_code == 200
        eventually(lambda: isolate(caller)["eventsHeld"] == 0, "everything committed")
        assert caller.calls() == 3
