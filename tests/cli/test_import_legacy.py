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
    ran = clawr_inside("import-legacy", file, *where, "--execute", settings=settings)
    assert ran.code == 3, ran.out + ran.err
    assert "PLATFORM_ANALYTICS_TOKEN" in ran.err
    unreachable = ("--remote", "--url", "http://127.0.0.1:9")
    assert clawr_inside("import-legacy", file, *unreachable, settings=settings).code == 6


def test_a_mistake_in_the_file_is_reported_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "events.json"
    file.write_text('[\n{"a": 1},\n{"b": }\n]')
    ran = clawr_inside(
        "import-legacy", file, "--remote", "--url", "http://127.0.0.1:9", "--execute"
    )
    assert ran.code == 2
    assert f"{file}:3: Expecting value" in ran.err
