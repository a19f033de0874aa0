"""`GET /__platform/usage` returns usage in any range, as JSON or as CSV that is no formula."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import Any

import pytest

from api.routes import USAGE
from api.usage.response import COMPLETE_HEADER, CSV_COLUMNS
from core.calendar import DAY_MS, timestamp
from metering.events import Api
from metering.usage import ranges
from tests.support.builders import MAPS, WEATHER, event
from tests.support.fakes import NOON_MS
from tests.support.platform_scene import TOKEN, Scene

PATH = USAGE.path
TODAY = timestamp(NOON_MS)[:10]
YESTERDAY = timestamp(NOON_MS - DAY_MS)[:10]


def scene_of(*events: Any) -> Scene:
    scene = Scene()
    for number, one in enumerate(events):
        scene.recorder.record(one._replace(request_id=f"r{number}"))
    asyncio.run(scene.recorder.send())
    return scene


def filled() -> Scene:
    return scene_of(
        event(caller="a", revenue_micros=15_000),
        event(caller="b", status=500, outcome="tenant_worker_failure", method="POST"),
        event(NOON_MS - DAY_MS, caller="a"),
        event(api=MAPS, caller="a", latency_ms=0),
        event(api=MAPS, caller="c", counted=False, status=402, outcome="payment_required"),
    )


def rows(scene: Scene, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scene.body(PATH, query)["rows"]
    return found


def test_every_day_of_the_range_has_a_row_with_its_sums_and_distinct_callers() -> None:
    body = filled().body(PATH, f"?from={YESTERDAY}&to={TODAY}T23:00Z")
    assert body["interval"] == "day"
    assert body["groupBy"] is None
    assert body["range"]["startAt"] == f"{YESTERDAY}T00:00:00.000Z"
    yesterday, today = body["rows"]
    assert yesterday == {
        "startAt": f"{YESTERDAY}T00:00:00.000Z",
        "calls": 1,
        "errors": 0,
        "revenueUsd": 0.0,
        "revenueMicros": 0,
        "uniqueCallers": 1,
        "latencyMs": 20.0,
    }
    assert (today["calls"], today["errors"], today["uniqueCallers"]) == (3, 1, 2)
    assert today["revenueMicros"] == body["totals"]["revenueMicros"] == 15_000
    assert body["totals"]["calls"] == 4
    assert body["freshness"]["complete"]


def test_rows_add_up_to_the_windows() -> None:
    scene = filled()
    week = scene.body("/__platform/analytics", "?window=week")["snapshot"]
    start = week["range"]["startAt"]
    totals = scene.body(PATH, f"?from={start}")["totals"]
    assert totals["calls"] == week["heroStats"]["calls"]
    assert totals["revenueMicros"] == week["heroStats"]["revenueMicros"]
    assert totals["errors"] == sum(day["errors"] for day in week["series"])
    for shown in week["allApis"]:
        slug = shown["endpoint"].removeprefix("/t/")
        own = scene.body(PATH, f"?from={start}&tenant={shown['tenantId']}&api={slug}")["totals"]
        assert (own["calls"], own["revenueMicros"]) == (shown["calls"], shown["revenueMicros"])


@pytest.mark.parametrize(
    ("group_by", "expected"),
    [
        ("api", {"tenant-1:weather": 2, "tenant-2:maps": 1}),
        ("tenant", {"tenant-1": 2, "tenant-2": 1}),
        ("status", {"2xx": 2, "4xx": 0, "5xx": 1}),
        ("method", {"GET": 2, "POST": 1}),
        ("outcome", {"payment_required": 0, "served": 2, "tenant_worker_failure": 1}),
    ],
)
def test_rows_are_divided_by_what_is_asked_for(group_by: str, expected: dict[str, int]) -> None:
    found = rows(filled(), f"?from={TODAY}&groupBy={group_by}")
    assert {row["group"]: row["calls"] for row in found} == expected


def test_the_busiest_callers_of_an_api_are_hashes_with_a_bound() -> None:
    body = filled().body(PATH, f"?from={YESTERDAY}&api=weather&groupBy=caller&interval=month")
    assert {row["group"]: row["calls"] for row in body["rows"]} == {
        "000000000000000a": 2,
        "000000000000000b": 1,
    }
    assert {row["errors"] for row in body["rows"]} == {None}
    assert body["accuracy"]["callerCallsErrorMax"] == 0


def test_hours_end_with_the_current_one() -> None:
    found = rows(filled(), f"?from={TODAY}T10:30Z&to={TODAY}T20:00Z&interval=hour")
    assert [row["startAt"][11:16] for row in found] == ["10:00", "11:00", "12:00"]
    assert [row["calls"] for row in found] == [0, 0, 3]
    assert "uniqueCallers" not in found[0]


@pytest.mark.parametrize("query", ["&api=unknown", "&tenant=unknown", "&tenant=tenant-1&api=maps"])
def test_what_does_not_exist_has_no_usage(query: str) -> None:
    (row,) = rows(filled(), f"?from={TODAY}{query}")
    assert (row["calls"], row["revenueMicros"], row["latencyMs"]) == (0, 0, None)


@pytest.mark.parametrize(
    ("query", "parameter", "expected"),
    [
        ("", "from", "a UTC day such as"),
        ("?from=yesterday", "from", "a UTC day such as"),
        (f"?from={TODAY}T23:00Z", "from", "not in the future"),
        ("?from=2027-01-01&to=2027-02-01", "from", "not in the future"),
        (f"?from={TODAY}&to={YESTERDAY}", "to", "later than `from`"),
        (f"?from={TODAY}&to={TODAY}", "to", "later than `from`"),
        (f"?from=2025-01-01&to={TODAY}", "to", "at most 400 days"),
        (f"?from=2026-09-01&to={TODAY}&interval=hour", "to", "at most 40 days"),
        (f"?from={TODAY}&interval=week", "interval", "one of day, hour, month"),
        (f"?from={TODAY}&groupBy=owner", "groupBy", "one of status, method, outcome, caller"),
        (f"?from={TODAY}&groupBy=caller", "api", "given with groupBy=caller"),
        (f"?from={TODAY}&groupBy=method&interval=hour", "interval", "day or month"),
        (f"?from={TODAY}&format=xml", "format", "one of json, csv"),
        (f"?from={TODAY}&api=", "api", "a text of 1 to 200"),
        (f"?from={TODAY}&tenant={'x' * 201}", "tenant", "a text of 1 to 200"),
        (f"?from={TODAY}&group_by=api", "group_by", "left out"),
    ],
)
def test_an_invalid_range_says_what_is_accepted(query: str, parameter: str, expected: str) -> None:
    error = Scene().error(PATH, query)
    assert error.status == 400
    assert error.evidence["parameter"] == parameter
    assert expected in str(error.evidence["expected"])


def test_too_many_rows_name_the_parameters_that_make_them_fewer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ranges, "ROWS_MAX", 1)
    error = filled().error(PATH, f"?from={TODAY}&groupBy=api")
    assert "2 rows; the limit is 1" in error.message
    assert error.evidence["parameter"] == "to"


@pytest.mark.parametrize(
    ("query", "accept", "is_csv"),
    [
        ("&format=csv", "", True),
        ("", "text/csv", True),
        ("", "text/csv, */*;q=0.1", True),
        ("", "application/json, text/csv;q=0.9", False),
        ("", "*/*", False),
        ("&format=json", "text/csv", False),
        ("", "text/csv;q=0", False),
    ],
)
def test_csv_is_chosen_by_the_format_or_the_accepted_types(
    query: str, accept: str, is_csv: bool
) -> None:
    response = filled().request(PATH, f"?from={TODAY}{query}", {**TOKEN, "accept": accept})
    assert dict(response.headers)["content-type"].startswith("text/csv") is is_csv


def test_csv_has_the_rows_of_json_in_lines_as_rfc_4180_says() -> None:
    scene = filled()
    query = f"?from={YESTERDAY}&groupBy=api"
    response = scene.request(PATH, f"{query}&format=csv")
    text = str(response.body)
    assert text.endswith("\r\n")
    assert text.count("\n") == text.count("\r\n") == 4
    header, *lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert tuple(header) == CSV_COLUMNS
    for line, row in zip(lines, rows(scene, query), strict=True):
        expected = ["" if row.get(name) is None else str(row[name]) for name in CSV_COLUMNS]
        assert line == expected
    headers = dict(response.headers)
    assert headers[COMPLETE_HEADER] == "true"
    assert headers["content-disposition"].startswith('attachment; filename="usage-2')


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", " =", "\uff1d"])
def test_a_hostile_name_is_no_formula_and_stays_one_cell(start: str) -> None:
    name = f'{start}HYPERLINK("http://x","a,b")\n'
    scene = scene_of(event(api=Api(name, "slug", "", "", 0), outcome=name[:60]))
    for group_by in ("api", "tenant", "outcome"):
        text = scene.request(PATH, f"?from={TODAY}&format=csv&groupBy={group_by}").body
        _, line = csv.reader(io.StringIO(str(text), newline=""), strict=True)
        row = dict(zip(CSV_COLUMNS, line, strict=True))
        assert row["group"].startswith(f"'{start}")
        assert not any(cell.lstrip()[:1] in set("=+-@\uff1d") for cell in line if cell)


def test_csv_says_if_it_lacks_something() -> None:
    scene = filled()
    scene.environment.usage_shards.count = 2  # type: ignore[union-attr]
    scene.environment.usage_shards.unavailable = {1}  # type: ignore[union-attr]
    response = scene.request(PATH, f"?from={TODAY}&format=csv")
    assert dict(response.headers)[COMPLETE_HEADER] == "false"
    freshness = scene.body(PATH, f"?from={TODAY}")["freshness"]
    assert (freshness["complete"], freshness["unavailableShards"]) == (False, [1])


def test_the_weather_is_counted_once_over_days_in_a_month() -> None:
    (row,) = rows(filled(), f"?from={TODAY[:7]}-01&interval=month&api={WEATHER.slug}")
    assert (row["calls"], row["uniqueCallers"]) == (3, 2)
