"""Ratios are computed by round and compared with their targets."""

import pytest

from bench.requests.ratios import Ratio, ratios
from bench.requests.tables import HEADS, cells, shown

from . import making


def named(what: str, **faster: float) -> Ratio:
    found = ratios(making.requests(**faster), making.bodies())
    return next(ratio for ratio in found if ratio.what.startswith(what))


def test_a_ratio_is_of_the_same_round() -> None:
    ratio = named("responses/s, (f) / (c)", f=1.5)
    # The second round was slower for both, so the ratio is the same.
    assert (ratio.median, ratio.lowest, ratio.highest) == (1.5, 1.5, 1.5)
    assert ratio.figure == "1.50 times"
    assert ratio.rounds == ""


@pytest.mark.parametrize(("faster", "is_met"), [(0.99, False), (1.0, True)])
def test_a_target_includes_its_bound(faster: float, is_met: bool) -> None:
    assert named("responses/s, (f) / (c)", f=faster).is_met is is_met
    assert named("small request", f=faster).is_met is is_met


@pytest.mark.parametrize(("recorded", "is_met"), [(999, False), (1_000, True), (1_001, False)])
def test_lost_and_duplicate_requests_miss_the_target(recorded: int, is_met: bool) -> None:
    requests = making.requests()
    for one in requests:
        one["recorded"] = recorded
    found = [ratio for ratio in ratios(requests, making.bodies()) if "/ sent" in ratio.what]
    assert [ratio.is_met for ratio in found] == [is_met]
    assert found[0].target == "= 1 times"


def test_a_ratio_without_target_is_neither_met_nor_missed() -> None:
    ratio = named("CPU of a small request")
    assert ratio.is_met is None
    assert ratio.target == ""


def test_buffered_bodies_miss_the_target() -> None:
    found = list(ratios(making.requests(), making.bodies(growth_mb=100.0)))
    memory = [ratio for ratio in found if ratio.what.startswith("memory")]
    assert [ratio.what for ratio in memory if ratio.is_met is False] == [
        "memory growth from 10 MB to 100 MB uploads, (b)",
        "memory growth from 10 MB to 100 MB uploads, (f)",
    ]


def test_a_table_shows_missing_requests() -> None:
    requests = making.requests()
    requests[3]["recorded"] = 400
    rows = list(cells(requests))
    assert all(len(row) == len(HEADS) for row in rows)
    assert [row[-1] for row in rows[2:4]] == ["", "400 of 1,000"]
    assert rows[-1][-1] == "all 1,000"


def test_both_tables_have_all_rows() -> None:
    tables = list(shown(making.requests(), making.bodies()))
    assert [table.row_count for table in tables] == [15, len(making.LETTERS)]
