"""Paid requests: the facilitator's log, ratios with targets, and the calls of a payment."""

import json
from pathlib import Path

import pytest

from bench.budget.counter import Trip, Trips
from bench.paid import measuring
from bench.paid.measuring import FacilitatorLog
from bench.paid.round_trips import figures, sequential
from bench.paid.tables import HEADS, TRIP_HEADS, cells, ratios, shown, trip_cells

from . import making


def written(file: Path, *calls: tuple[str, int, float]) -> None:
    lines = [
        json.dumps({"path": path, "status": status, "milliseconds": milliseconds})
        for path, status, milliseconds in calls
    ]
    with file.open("a") as log:
        log.write("".join(f"{line}\n" for line in lines))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "facilitator.log"
    file.write_text("Listening on 127.0.0.1:1\n")
    written(file, ("/verify", 200, 99.0))
    return file


def times(log: FacilitatorLog, payments: int) -> list[float]:
    return [call["milliseconds"] for call in log.payments(payments)]


def test_only_verify_and_settle_are_calls_of_a_payment(file: Path) -> None:
    log = FacilitatorLog(file)
    written(file, ("/supported", 200, 50.0), ("/verify", 200, 1.5), ("/settle", 200, 20.0))
    assert times(log, 1) == [1.5, 20.0]
    written(file, ("/verify", 200, 2.0), ("/settle", 200, 30.0))
    assert times(log, 1) == [2.0, 30.0]


def test_calls_of_the_other_contender_can_be_skipped(file: Path) -> None:
    log = FacilitatorLog(file)
    written(file, ("/verify", 200, 1.0), ("/settle", 200, 1.0))
    log.skip()
    written(file, ("/verify", 200, 2.0), ("/settle", 200, 3.0))
    assert times(log, 1) == [2.0, 3.0]


def test_a_failed_call_is_an_error(file: Path) -> None:
    log = FacilitatorLog(file)
    written(file, ("/verify", 200, 1.5), ("/settle", 500, 20.0))
    with pytest.raises(RuntimeError, match="not those of 1 payments"):
        log.payments(1)


def test_an_additional_call_is_an_error(file: Path) -> None:
    log = FacilitatorLog(file)
    written(file, *[("/verify", 200, 1.0)] * 3)
    with pytest.raises(RuntimeError, match="not those of 1 payments"):
        log.payments(1)


def test_a_missing_call_is_an_error_after_a_timeout(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "WAITED_SECONDS", 0.01)
    log = FacilitatorLog(file)
    written(file, ("/verify", 200, 1.0))
    with pytest.raises(RuntimeError, match="1 times"):
        log.payments(1)


@pytest.mark.parametrize(
    ("slower", "missed"),
    [
        (1.0, []),
        (1.12, ["responses/s on sixteen"]),
        (1.2, ["responses/s on sixteen", "one connection"]),
        (1.6, ["own time", "responses/s on sixteen", "one connection"]),
        (2.1, ["own time", "CPU of a paid", "responses/s on sixteen", "one connection"]),
    ],
)
def test_each_ratio_has_its_target(slower: float, missed: list[str]) -> None:
    found = [ratio.what for ratio in ratios(making.paid(slower)) if ratio.is_met is False]
    assert len(found) == len(missed)
    assert all(what.startswith(one) for what, one in zip(found, missed, strict=True))


@pytest.mark.parametrize("place", ["recorded", "ledger", "transferred"])
def test_a_missing_payment_misses_the_target_and_is_shown(place: str) -> None:
    paid = making.paid()
    paid[-1][place] = 999
    assert next(iter(ratios(paid))).is_met is False
    *others, last = cells(paid)
    assert len(last) == len(HEADS)
    assert "999" in last[-1]
    assert [row[-1] for row in others] == ["", "all 1,000", "all 1,000"]


def call(name: str, began: int, ended: int, rows: int = 0) -> Trip:
    return Trip(name, began, ended, 10 * rows, rows)


def test_calls_that_overlap_are_one_round_trip() -> None:
    chain = [call("a", 1, 2), call("b", 3, 6), call("c", 4, 5), call("d", 7, 8)]
    assert sequential(chain) == 3
    assert sequential(chain[:1]) == 1
    assert sequential([]) == 0


def test_what_ends_after_the_response_delays_nobody() -> None:
    calls = [
        call("CONTROL_DB.batch", 1, 2, rows=4),
        call("fetch /verify", 3, 4),
        call("USAGE_SHARD.append", 5, 7),
        call("CONTROL_DB.batch", 8, 9, rows=1),
    ]
    found = figures("g", "ours", Trips(calls, responded=6))
    assert found.before == ["CONTROL_DB.batch", "fetch /verify"]
    assert found.after == ["USAGE_SHARD.append", "CONTROL_DB.batch"]
    assert (found.sequential, found.rows_read, found.rows_written) == (2, 50, 5)
    # 5 rows written at $1, 50 read at $0.001 and a call at $0.15, each per million.
    assert found.dollars == pytest.approx(5.0 + 0.05 + 0.15)
    (row,) = trip_cells([found.as_json()])
    assert len(row) == len(TRIP_HEADS)
    assert row[2:5] == ("2", "100 ms", "500 ms")


def test_all_tables_have_their_rows() -> None:
    trips = [figures("m", "theirs", Trips([call("fetch /verify", 1, 2)], 3)).as_json()]
    assert [table.row_count for table in shown(making.paid(), trips)] == [10, 4, 1]
