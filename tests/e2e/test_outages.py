"""While KV or a shard fails, requests are served and no event is lost."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dev.launch import running_dispatcher
from tests.support.prepared_start import prepared_start

from .caller import Caller, eventually
from .conftest import TOKEN
from .local_kv import keys
from .marketplace import DEMO_NAMESPACE, DEMO_TENANTS

PLATFORM = {"authorization": f"Bearer {TOKEN}"}


@contextmanager
def locked(state: Path, table: str) -> Iterator[None]:
    """Lock the databases that have a table, so that writing to them fails as in an outage."""
    with ExitStack() as stack:
        for file in state.rglob("*.sqlite"):
            database = sqlite3.connect(file, isolation_level=None, timeout=10)
            stack.callback(database.close)
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
            if table in tables:
                database.execute("BEGIN EXCLUSIVE")
                stack.callback(database.execute, "ROLLBACK")
        yield


def isolate(caller: Caller) -> dict[str, int]:
    """Return what health reports about the isolate's events."""
    counts: dict[str, int] = caller.platform("health")["isolate"]
    return counts


def shard(caller: Caller) -> dict[str, Any]:
    """Return what health reports about the shard."""
    (found,) = caller.platform("health")["log"]["shards"]
    assert isinstance(found, dict)
    return found


def pass_five_minutes(state: Path) -> None:
    """Let a stopped shard look for spilled batches at its next start, as five minutes later."""
    changed = 0
    for file in state.rglob("*.sqlite"):
        with closing(sqlite3.connect(file, isolation_level=None)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
            if "commits" in tables:
                statement = "UPDATE state SET value = 0 WHERE name = 'spills_checked'"
                changed += database.execute(statement).rowcount
    assert changed == 1


@contextmanager
def running(state: Path) -> Iterator[Caller]:
    """Run a dispatcher."""
    with (
        running_dispatcher(
            state=state,
            tenants=DEMO_TENANTS.read_text(encoding="utf-8"),
            namespace=DEMO_NAMESPACE,
            prepared=prepared_start(),
            variables={"PLATFORM_ANALYTICS_TOKEN": TOKEN},
        ) as server,
        Caller(server.url, TOKEN) as caller,
    ):
        yield caller


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[Caller]:
    """A caller of a dispatcher, with one call that is acknowledged."""
    with running(tmp_path) as caller:
        assert caller.request("/t/feasts/").status_code == 200
        eventually(lambda: isolate(caller)["eventsAcknowledged"] == 1, "the first commit")
        yield caller


def test_a_kv_outage_changes_no_response_and_no_total(caller: Caller, tmp_path: Path) -> None:
    eventually(lambda: keys(tmp_path, "usage/0/"), "the first segment")
    with locked(tmp_path, "_mf_entries"):
        for _ in range(50):
            assert caller.request("/t/feasts/").status_code == 200
        eventually(lambda: isolate(caller)["eventsAcknowledged"] == 51, "51 acknowledged events")
        snapshot = caller.snapshot("today")
        assert snapshot["heroStats"]["calls"] == 51
        assert snapshot["freshness"]["complete"] is True
        eventually(lambda: shard(caller)["sinceStart"]["putsFailed"] > 0, "a put that was refused")
        assert shard(caller)["oldestUnflushedSeconds"] > 0
    eventually(
        lambda: (one := shard(caller))["flushed"] == one["acknowledged"], "everything in KV", 90
    )
    assert len(caller.events()) == 51


def test_a_shard_outage_delays_no_response_and_loses_no_event(tmp_path: Path) -> None:
    with running(tmp_path) as caller:
        assert caller.request("/t/feasts/").status_code == 200
        eventually(lambda: isolate(caller)["eventsAcknowledged"] == 1, "the first commit")
        with locked(tmp_path, "commits"):
            for _ in range(50):
                assert caller.request("/t/feasts/").status_code == 200
            eventually(lambda: isolate(caller)["eventsBuffered"] == 0, "spilled events")
            assert isolate(caller)["eventsSpilled"] == 50
        assert keys(tmp_path, "usage/spill/0/")
    pass_five_minutes(tmp_path)
    with running(tmp_path) as caller:
        assert caller.request("/t/feasts/").status_code == 200
        eventually(lambda: caller.calls() >= 52, "all events in the totals")
        assert caller.calls() == 52
        assert len({event["requestId"] for event in caller.events()}) == 52
        assert caller.snapshot("today")["freshness"]["complete"] is True
