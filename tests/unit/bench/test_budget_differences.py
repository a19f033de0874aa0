"""Comparison of measurements with the budget, and lowering of the budget."""

from collections import Counter
from pathlib import Path

import pytest

from bench.budget.budget import (
    Line,
    Measured,
    differences,
    lowered,
    read,
    read_crossings,
    write_crossings,
)

WHY = "a reason that is long enough"
BUDGET = {"free": {"to_javascript": Line(3, WHY), "allocations": Line(10, WHY)}}
KNOWN = {"free": {"to_javascript": Counter({"get url": 2, "call fetch": 1})}}


def found(names: dict[str, int], allocations: int = 10, **operations: int) -> dict[str, Measured]:
    crossings = {"to_javascript": Counter(names)}
    total = sum(names.values())
    counters = {"to_javascript": total, "allocations": allocations, **operations}
    return {"free": Measured(counters, crossings)}


def test_counts_equal_to_the_budget_are_accepted() -> None:
    assert differences(found({"get url": 2, "call fetch": 1}), BUDGET, KNOWN) == []


def test_an_additional_crossing_is_reported() -> None:
    (line,) = differences(found({"get url": 3, "call fetch": 1}), BUDGET, KNOWN)
    assert line == "free: to_javascript is 4, the budget is 3: 1 too many (+1 get url)."


def test_a_lower_count_is_reported() -> None:
    (line,) = differences(found({"get url": 2}), BUDGET, KNOWN)
    assert line.startswith("free: to_javascript is 2, the budget is 3: run `make budget`")


def test_a_replaced_crossing_is_reported() -> None:
    (line,) = differences(found({"get url": 2, "call open": 1}), BUDGET, KNOWN)
    assert "(-1 call fetch; +1 call open)" in line


def test_an_operation_without_a_line_is_too_many() -> None:
    (line,) = differences(
        found({"get url": 2, "call fetch": 1}, **{"USAGE_KV.put": 1}), BUDGET, KNOWN
    )
    assert line == "free: USAGE_KV.put is 1, the budget is 0: 1 too many."


def test_a_kind_that_is_not_measured_has_no_budget() -> None:
    (line,) = differences({}, BUDGET, KNOWN)
    assert "no longer measured" in line


def test_the_largest_of_many_changes_are_reported() -> None:
    new = {f"get {name}": number for number, name in enumerate("abcdefghijklmnopqrstuvwxyz", 1)}
    (line,) = differences(
        found(new), {"free": {**BUDGET["free"], "to_javascript": Line(351, WHY)}}, {}
    )
    assert "(+26 get z; +25 get y; " in line
    assert "; +21 in 6 others)" in line


TEXT = """\
[free] # a comment
to_javascript = { count = 5, reason = "a reason that is long enough" }
allocations = { count = 9, reason = "a reason that is long enough" }
"USAGE_KV.put" = { count = 1, reason = "a reason that is long enough" }

[other]
allocations = { count = 99, reason = "a reason that is long enough" }
"""


def test_lines_are_lowered_and_never_raised(tmp_path: Path) -> None:
    text = lowered(TEXT, found({"get url": 2, "call fetch": 1}))
    assert text == TEXT.replace("count = 5", "count = 3").replace(
        '"USAGE_KV.put" = { count = 1, reason = "a reason that is long enough" }\n', ""
    )
    path = tmp_path / "budget.toml"
    path.write_text(text)
    assert read(path)["free"] == {"to_javascript": Line(3, WHY), "allocations": Line(9, WHY)}


@pytest.mark.parametrize("line", ["7", '{ count = 7, reason = "so" }', "{ count = 7 }"])
def test_a_line_without_a_reason_is_rejected(tmp_path: Path, line: str) -> None:
    path = tmp_path / "budget.toml"
    path.write_text(f"[free]\nallocations = {line}\n")
    with pytest.raises(ValueError, match=r"free\.allocations"):
        read(path)


def test_written_crossings_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "crossings.csv"
    both = {kind: {"to_python": Counter({name: 2})} for kind, name in (("a", "x"), ("b", "y, z"))}
    write_crossings(both, path)
    assert read_crossings(path) == both
