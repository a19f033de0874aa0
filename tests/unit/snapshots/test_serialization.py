"""The `ETag` of snapshots changes whenever something shown changes, and not with the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from snapshots.serialization import etag_of

ROW = {"rank": 1, "id": "t:a", "calls": 1}
SNAPSHOT: Mapping[str, Any] = {
    "window": "today",
    "generatedAt": "2026-11-22T12:00:00.000Z",
    "range": {"startAt": "2026-11-22T00:00:00.000Z", "endAt": "2026-11-22T12:00:00.000Z"},
    "heroStats": {"calls": 1},
    "topApis": [ROW],
    "allApis": [ROW],
    "directories": [{"directory": "APIs", "calls": 1}],
    "series": [{"startAt": "2026-11-22T00:00:00.000Z", "calls": 1}],
    "freshness": {"asOf": "2026-11-22T12:00:00.000Z", "lagSeconds": 0, "complete": True},
}


def tag(**changes: Any) -> str:
    return etag_of([{**SNAPSHOT, **changes}])


def test_a_change_of_a_row_changes_the_tag() -> None:
    row = {**ROW, "calls": 2}
    assert tag(allApis=[row], topApis=[row]) != tag()


def test_a_change_of_the_series_changes_the_tag() -> None:
    assert tag(series=[]) != tag()


def test_a_change_of_a_directory_changes_the_tag() -> None:
    assert tag(directories=[{"directory": "APIs", "calls": 2}]) != tag()


def test_time_alone_does_not_change_the_tag() -> None:
    times = {**SNAPSHOT["range"], "endAt": "2026-11-22T12:00:01.000Z"}
    freshness = {**SNAPSHOT["freshness"], "asOf": times["endAt"], "lagSeconds": 1}
    assert tag(generatedAt=times["endAt"], range=times, freshness=freshness) == tag()
