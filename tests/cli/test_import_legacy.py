"""`clawr import-legacy` against a running dispatcher."""

import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from dev.launch import running_dispatcher
from tests.support.prepared_start import prepared_start

from .command import Ran, clawr_inside

PLATFORM_TOKEN = "token-of-the-import-tests"
DAYS_AGO = (45, 2, 0.01)
APIS = ("weather", "maps")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The STATE folder of a running dispatcher with the local API."""
    state = tmp_path_factory.mktemp("state")
    variables = {"PLATFORM_ANALYTICS_TOKEN": PLATFORM_TOKEN}
    with running_dispatcher(
        state=state, variables=variables, with_api=True, prepared=prepared_start()
    ):
        yield state


def events(days_ago: Sequence[float], first: int = 0, count: int = 6) -> list[dict[str, Any]]:
    """Return some events around each of these times."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return [
        {
            "requestId": f"old-{days}-{number}",
            "tenantId": f"ten_{APIS[number % 2]}",
            "endpoint": f"/t/{APIS[number % 2]}",
            "owner": "@old",
            "timestamp": (midnight - timedelta(days=days, seconds=20 * number)).isoformat(),
            "status": 200,
            "latencyMs": 10 + number,
            "settled": "0.005",
            "agentId": f"agent-{number % 3}",
        }
        for days in days_ago
        for number in range(first, first + count)
    ]


def imported(state: Path, tmp_path: Path, values: object, *options: str) -> Ran:
    file = tmp_path / "events.json"
    file.write_text(json.dumps({"events": values}, indent=1))
    where = ("--local", "--state", state)
    return clawr_inside("import-legacy", file, "--map", "settled=revenueUsd", *where, *options)


def test_each_event_of_overlapping_lists_is_counted_once(state: Path, tmp_path: Path) -> None:
    shown = imported(state, tmp_path, events(DAYS_AGO), "--json")
    assert shown.code == 0, shown.out + shown.err
    assert (shown.document["events"], shown.document["executed"]) == (18, False)
    whole = {"calls": 9, "revenueMicros": 45_000}
    none = {"calls": 0, "revenueMicros": 0}
    planned = [
        {"tenantId": f"ten_{api}", "slug": api, "inFile": whole, "before": none}
        for api in sorted(APIS)
    ]
    assert shown.document["apis"] == planned

    done = imported(state, tmp_path, events(DAYS_AGO), "--execute", "--json")
    assert done.code == 0, done.out + done.err
    assert (done.document["imported"], done.document["alreadyThere"]) == (18, 0)
    assert done.document["apis"] == [{**one, "after": whole} for one in planned]

    grown = [*events(DAYS_AGO[1:], first=3), *events(DAYS_AGO)[::-1]]
    again = imported(state, tmp_path, grown, "--execute", "--json")
    assert again.code == 0, again.out + again.err
    found = again.document
    assert (found["imported"], found["alreadyThere"], found["repeated"]) == (6, 18, 6)
    assert sum(one["after"]["calls"] for one in found["apis"]) == 24

    repeated = imported(state, tmp_path, grown, "--execute")
    assert repeated.code == 0, repeated.out + repeated.err
    assert "0 imported, 24 already there, 6 repeated in the file, 0 skipped" in repeated.out


def test_a_list_of_a_year_in_any_order_is_sent_in_many_requests(
    state: Path, tmp_path: Path
) -> None:
    """Half of the events have no id, and a part of the list was imported before."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    values = [
        {
            "tenantId": f"ten_year_{number % 3}",
            "slug": f"year-{number % 3}",
            "timestamp": (midnight - timedelta(minutes=1 + 131 * number)).isoformat(),
            "status": 200,
            "settled": 0.01,
            "ip": "192.0.2.7",
            **({"requestId": f"year-{number}"} if number % 2 else {}),
        }
        for number in range(4_000)
    ]
    random.Random(14).shuffle(values)
    part = imported(state, tmp_path, values[1_500:2_700], "--execute", "--json")
    assert part.code == 0, part.out + part.err
    assert (part.document["imported"], part.document["alreadyThere"]) == (1_200, 0)
    done = imported(state, tmp_path, values, "--execute", "--json")
    assert done.code == 0, done.out + done.err
    assert (done.document["imported"], done.document["alreadyThere"]) == (2_800, 1_200)
    for one in done.document["apis"]:
        assert one["after"] == one["inFile"]
        assert one["inFile"]["calls"] in (1_333, 1_334)


def test_imported_events_keep_their_fields(state: Path, tmp_path: Path) -> None:
    (value,) = events([10.5], count=1)
    assert imported(state, tmp_path, [value], "--execute").code == 0
    running = json.loads((state / "running.json").read_text())
    response = httpx.get(
        f"{running['dispatcher_url']}/__platform/events?limit=2000",
        headers={"x-platform-token": PLATFORM_TOKEN},
    )
    (found,) = [one for one in response.json()["events"] if one["requestId"] == value["requestId"]]
    assert found["endpoint"] == "/t/weather"
    assert found["owner"] == "@old"
    assert found["status"] == 200
    assert found["caller"] not in (None, "agent-0")


def test_an_invalid_entry_stops_the_import_unless_skipped(state: Path, tmp_path: Path) -> None:
    values = [*events([5.5], count=2), {"tenantId": "t"}, 7]
    refused = imported(state, tmp_path, values, "--execute")
    assert refused.code == 2
    assert f"{tmp_path / 'events.json'}:25: entry 2: " in refused.err
    assert "entry 3: must be an object" in refused.err

    done = imported(state, tmp_path, values, "--execute", "--skip-bad", "--json")
    assert done.code == 0, done.out + done.err
    assert done.document["imported"] == 2
    assert [one["index"] for one in done.document["skipped"]] == [2, 3]


def test_a_wrong_token_or_url_is_explained(state: Path, tmp_path: Path) -> None:
    running = json.loads((state / "running.json").read_text())
    file = tmp_path / "events.json"
    file.write_text(json.dumps(events([6.5], count=1)))
    settings = {
        "CLOUDFLARE_API_TOKEN": "t",
        "CLOUDFLARE_ACCOUNT_ID": "0" * 32,
        "PLATFORM_ANALYTICS_TOKEN": "another",
    }
    where = ("--remote", "--url", running["dispatcher_url"])
    command = ("import-legacy", file, "--map", "settled=revenueUsd")
    ran = clawr_inside(*command, *where, "--execute", settings=settings)
    assert ran.code == 3, ran.out + ran.err
    assert "PLATFORM_ANALYTICS_TOKEN" in ran.err
    unreachable = ("--remote", "--url", "http://127.0.0.1:9")
    assert clawr_inside(*command, *unreachable, settings=settings).code == 6


def test_a_mistake_in_the_file_is_reported_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "events.json"
    file.write_text('[\n{"a": 1},\n{"b": }\n]')
    ran = clawr_inside(
        "import-legacy", file, "--remote", "--url", "http://127.0.0.1:9", "--execute"
    )
    assert ran.code == 2
    assert f"{file}:3: Expecting value" in ran.err


FIRST = json.loads(
    (Path(__file__).parents[1] / "unit" / "api" / "first_dispatcher.json").read_text()
)


def first_events(tmp_path: Path, prefix: str) -> Path:
    """Write the first dispatcher's list, of tenants of its own and of last week."""
    day = datetime.now(UTC) - timedelta(days=7)
    moved = [
        {
            **one,
            "requestId": prefix + one["requestId"],
            "tenantId": prefix + one["tenantId"],
            "timestamp": int(day.timestamp() * 1000) + one["timestamp"] % 10_000,
        }
        for one in FIRST
    ]
    file = tmp_path / "events.json"
    file.write_text(json.dumps(moved))
    return file


def test_the_first_dispatchers_list_is_imported_and_undone(state: Path, tmp_path: Path) -> None:
    file = first_events(tmp_path, "undo_")
    where = ("--local", "--state", state)
    shown = clawr_inside("import-legacy", file, *where)
    assert shown.code == 0, shown.out + shown.err
    for text in (
        "as the events of an older dispatcher (JSON, a list)",
        "7 events from",
        "5 calls, 2 errors, revenue $0.150000",
        "1 repeated in the file",
        "The callers of 7 events are hashes",
        "callers who come back count as new ones",
        "billable (8)",
    ):
        assert text in shown.out

    done = clawr_inside("import-legacy", file, *where, "--execute", "--json")
    assert done.code == 0, done.out + done.err
    assert (done.document["imported"], done.document["errors"]) == (7, 2)
    import_id = done.document["importId"]
    assert [one["after"] for one in done.document["apis"]] == [
        {"calls": 4, "revenueMicros": 150_000},
        {"calls": 1, "revenueMicros": 0},
    ]

    plan = clawr_inside("import-legacy", "--undo", import_id, *where)
    assert plan.code == 0, plan.out + plan.err
    assert f"Import {import_id} has 7 events and can be undone until" in plan.out
    undone = clawr_inside("import-legacy", "--undo", import_id, *where, "--execute", "--json")
    assert undone.code == 0, undone.out + undone.err
    assert (undone.document["state"], undone.document["events"]) == ("undone", 7)
    assert clawr_inside("import-legacy", "--undo", import_id, *where).code == 5
    assert clawr_inside("import-legacy", "--undo", "legacy-0", *where).code == 4

    again = clawr_inside("import-legacy", file, *where, "--execute", "--json")
    assert again.code == 0, again.out + again.err
    assert again.document["importId"] == f"{import_id}-2"
    assert again.document["imported"] == 7
    none = {"calls": 0, "revenueMicros": 0}
    assert [one["before"] for one in again.document["apis"]] == [none, none]


def test_what_is_not_imported_is_in_the_report(state: Path, tmp_path: Path) -> None:
    file, report = tmp_path / "events.jsonl", tmp_path / "report.jsonl"
    (value,) = events([8.5], count=1)
    pending = {**value, "lifecycle": "payment_pending"}
    file.write_text("\n".join(map(json.dumps, [value, pending, 7])))
    command = ("import-legacy", file, "--map", "settled=revenueUsd", "--report", report)
    ran = clawr_inside(*command, "--skip-bad", "--local", "--state", state)
    assert ran.code == 0, ran.out + ran.err
    assert "(JSON, one per line)" in ran.out
    listed = [json.loads(line) for line in report.read_text().splitlines()]
    assert [(one["state"], one["line"]) for one in listed] == [("invalid", 3), ("left out", 2)]


def test_a_directory_is_written_unless_it_conflicts(state: Path, tmp_path: Path) -> None:
    record = {"slug": "old-news", "tenantId": "t_old", "workerName": "news", "priceUsd": "0.01"}
    document = {
        "bySlug": {"old-news": record},
        "byHost": {"News.example": {**record, "slug": "old-news"}},
    }
    file = tmp_path / "tenants.json"
    file.write_text(json.dumps(document))
    where = ("--local", "--state", state)
    planned = clawr_inside("import-legacy", file, *where)
    assert planned.code == 0, planned.out + planned.err
    assert "as a tenant directory" in planned.out
    assert "1 record new" in planned.out
    assert "lacks: news" in planned.out
    done = clawr_inside("import-legacy", file, *where, "--execute", "--json")
    assert [one["slug"] for one in done.document["records"]] == ["old-news"]
    assert done.document["records"][0]["hosts"] == ["news.example"]
    again = clawr_inside("import-legacy", file, *where, "--execute", "--json")
    assert (again.document["records"], again.document["unchanged"]) == ([], ["old-news"])

    other = {"tenants": [{**record, "tenantId": "t_other"}, {"slug": "X"}]}
    file.write_text(json.dumps(other))
    assert clawr_inside("import-legacy", file, *where).code == 2
    found = clawr_inside("import-legacy", file, *where, "--skip-bad", "--json").document
    assert "belongs to t_old, not to t_other" in found["conflicts"][0]["reasons"][0]
    assert found["skippedEntries"] == 1


def test_a_ledger_is_compared_and_not_imported(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "dump.sql"
    file.write_text(
        "PRAGMA foreign_keys=OFF;\n"
        "CREATE TABLE users (id INTEGER, name TEXT);\n"
        "INSERT INTO users VALUES (1, 'Ann''s; shop');\n"
        "CREATE TABLE payouts (id INTEGER PRIMARY KEY, tenant_id TEXT, amount INTEGER, currency"
        " TEXT, status TEXT, tx_hash TEXT, created_at TEXT, CHECK (amount > 0));\n"
        "INSERT INTO payouts VALUES (1,'t_1',125,'USD','paid','0x1','2026-10-01 12:00:00'),\n"
        "(2,'t_1',75,'USD','pending',NULL,'2026-10-02 12:00:00');\n"
    )
    where = ("--local", "--state", state)
    ambiguous = clawr_inside("import-legacy", file, *where)
    assert ambiguous.code == 2
    assert "The unit of amount in the table payouts is ambiguous" in ambiguous.err
    assert "amount=amountCents" in ambiguous.err
    ran = clawr_inside("import-legacy", file, "--map", "amount=amountCents", *where)
    assert ran.code == 0, ran.out + ran.err
    for text in (
        "as a payout ledger (SQL)",
        "users: 1 row, not a ledger, left out",
        "t_1: $1.250000 paid by this ledger, $0.000000 revenue in the dispatcher",
        "Not imported: 2 rows",
    ):
        assert text in ran.out
