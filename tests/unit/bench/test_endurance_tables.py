"""Table rows of start-up, soak and overload."""

import json

from bench.endurance.overload import OverloadFigures
from bench.endurance.soak import SoakFigures
from bench.endurance.tables import (
    OVERLOAD_HEADS,
    SOAK_HEADS,
    START_HEADS,
    overload_rows,
    soak_rows,
    start_rows,
)
from bench.endurance.worker import Counts
from bench.startup import ANSWERS, StartFigures
from core.ports import Json


def stored(figures: SoakFigures | StartFigures | OverloadFigures) -> Json:
    return json.loads(json.dumps(figures.as_json()))


def test_a_start_is_relative_to_the_sdk_in_the_same_round() -> None:
    sdk = StartFigures(ANSWERS, ANSWERS, is_from_snapshot=True, cpu_seconds=[1.0, 2.0, 1.0])
    ours = StartFigures("ours", ANSWERS, is_from_snapshot=True, cpu_seconds=[1.5, 2.2, 1.1])
    for one in (sdk, ours):
        one.seconds, one.snapshot_mb = one.cpu_seconds, 31.54
    rows = list(start_rows([stored(sdk), stored(ours)]))
    assert rows[1][:3] == ("snapshot: ours", "1.10", "1.10 to 1.50")
    assert rows[1][-1] == "31.5 MB"
    assert all(len(row) == len(START_HEADS) for row in rows)


def test_a_soak_shows_the_growth_after_the_warm_up() -> None:
    done = [1_000 * leg for leg in range(1, 11)]
    counts = [
        Counts(references=5, lent=0, objects=10, wasm_mb=30.0, resident_mb=100.0 + one / 1_000)
        for one in done
    ]
    soak = SoakFigures(10_000, 5.0, 9_000, 9_000, {}, done, counts, [2, 2, 1], [4, 4, 8])
    rows = list(soak_rows([stored(soak)]))
    assert rows[0] == ("resident memory of the process", "+100.00", "± 0.00", "< 1 MB", "110")
    assert rows[1][1] == "+0.00"
    assert [row[1] for row in rows if row[0].endswith("/ first")] == ["0.50", "2.00"]
    assert rows[-1][-1] == "9,000 of 9,000"
    assert all(len(row) == len(SOAK_HEADS) for row in rows)


def test_an_overload_shows_the_time_of_recovery() -> None:
    one = OverloadFigures(
        "leave", 200.4, 2_000, 500, 1_500, 0, 2_100, 2_200, 2_250, 12, 3_000, None, 2_000
    )
    (row,) = overload_rows([stored(one)])
    assert row[1:4] == ("200/s", "2,000", "500")
    assert row[-2:] == ("not within 10 s", "2,000")
    assert len(row) == len(OVERLOAD_HEADS)
