"""The view of a snapshot in terminals of any width, from a real dispatcher's response."""

import copy
import io
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console

from cli.analytics.snapshot import Snapshot, read_snapshot
from cli.analytics.snapshot_view import SnapshotView
from cli.errors import CommandError
from tests.cli.loopback import recorded

BUSY = {
    "calls": 123_456_789,
    "revenueMicros": 98_765_430_000,
    "uniqueCallers": 1_234_567,
    "p95LatencyMs": 29_999.0,
    "errorRatePct": 99.9,
    "trend": [0, 5, 9] * 10,
}


def _document(*rows: dict[str, Any], **snapshot: Any) -> dict[str, Any]:
    document = copy.deepcopy(recorded("analytics"))
    parts = document["snapshot"]
    api = parts["topApis"][0]
    parts["topApis"] = [api | {"rank": rank} | row for rank, row in enumerate(rows or ({},), 1)]
    parts["allApis"] = parts["topApis"]
    parts["apis"] = {"total": len(parts["allApis"]), "shown": len(parts["allApis"])}
    parts |= snapshot
    return document


def _drawn(
    snapshot: Snapshot, width: int, height: int = 40, *, fits: bool = False, status: str = ""
) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=False)
    now = snapshot.freshness.as_of + timedelta(seconds=61)
    view = SnapshotView(snapshot, now=lambda: now, fits_height=fits, status=status)
    console.print(view, soft_wrap=False)
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 120, 150, 200, 300])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    shown = _drawn(read_snapshot(_document(BUSY, {})), width)
    assert max(map(len, shown.splitlines())) <= width


def test_numbers_are_not_truncated_in_eighty_columns() -> None:
    long = {"endpoint": f"/t/{'long-name-' * 6}"}
    shown = _drawn(read_snapshot(_document(BUSY | long)), 80)
    for number in ("123,456,789", "1,234,567", "29,999", "99.9%", "$98,765.43"):
        assert number in shown
    assert "…" in shown


def test_a_wide_terminal_shows_more_columns() -> None:
    snapshot = read_snapshot(_document())
    narrow, wide = _drawn(snapshot, 80), _drawn(snapshot, 200)
    for heading in ("owner", "category", "price", "mean ms", "score"):
        assert heading not in narrow
        assert heading in wide


def test_a_wide_terminal_shows_a_bar_for_each_day() -> None:
    row = {"trend": list(range(30))}
    snapshot = read_snapshot(_document(row, window="overall"))
    assert "▁" + "▂" * 4 in _drawn(snapshot, 200)
    assert "calls by day" in _drawn(snapshot, 200)


def test_freshness_and_accuracy_are_shown() -> None:
    shown = _drawn(read_snapshot(_document()), 120)
    assert "61 s ago" in shown
    assert "callers up to 300, then within 2 %" in shown
    assert "p95 within 1 %" in shown
    assert "Incomplete" not in shown


def test_missing_data_is_shown() -> None:
    document = _document()
    missing = {"complete": False, "droppedEvents": 7, "unavailableShards": [3]}
    document["snapshot"]["freshness"] |= missing
    shown = _drawn(read_snapshot(document), 120)
    assert "Incomplete: 7 events were dropped, 1 shards did not respond." in shown


def test_changes_since_the_previous_window_are_shown() -> None:
    document = _document()
    stats = document["snapshot"]["heroStats"]
    counts = {"calls": stats["calls"] * 2, "activeAgents": None}
    before = {"range": {}, "heroStats": stats | counts}
    document["snapshot"]["previous"] = before
    assert "calls ▼ 50 %" in _drawn(read_snapshot(document), 120)


def test_rows_that_do_not_fit_are_counted() -> None:
    snapshot = read_snapshot(_document(*({} for _ in range(50))))
    shown = _drawn(snapshot, 80, height=20, fits=True)
    assert len(shown.splitlines()) <= 20
    assert "… 44 more APIs" in shown


def test_a_window_without_calls_says_so() -> None:
    snapshot = read_snapshot(_document(topApis=[], allApis=[]))
    assert "No API was called." in _drawn(snapshot, 80)


def test_names_are_not_read_as_markup_or_control_characters() -> None:
    row = {"endpoint": "/t/[red]x", "owner": "@\x1b[2Jgone", "directory": "[/]"}
    shown = _drawn(read_snapshot(_document(row)), 200)
    assert "/t/[red]x" in shown
    assert "[/]" in shown
    assert "\x1b" not in shown


def test_the_status_is_the_last_line() -> None:
    shown = _drawn(read_snapshot(_document()), 80, status="No response.")
    assert shown.splitlines()[-1] == "No response."


@pytest.mark.parametrize("name", ["heroStats", "range", "freshness", "accuracy", "series"])
def test_a_snapshot_without_a_field_is_explained(name: str) -> None:
    document = _document()
    del document["snapshot"][name]
    with pytest.raises(CommandError, match=name):
        read_snapshot(document)


@pytest.mark.parametrize("document", [{}, {"snapshot": None}, {"snapshot": []}])
def test_an_unreadable_snapshot_is_explained(document: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        read_snapshot(document)
