"""Importing the Worker costs no more than its budget, and what exceeds it is named."""

from collections import Counter
from pathlib import Path

import pytest

from bench.budget.imports import excess, is_own, measure, read, write

KNOWN = Counter({"entry": 900, "core.keys": 100, "re": 1_000})


def test_importing_the_worker_executes_no_more_lines_than_its_budget() -> None:
    assert excess(measure(), read()) == [], "docs/budget.md says what to do."


def test_the_same_lines_and_fewer_are_within_the_budget() -> None:
    assert excess(KNOWN, KNOWN) == []
    assert excess(Counter({"entry": 900}), KNOWN) == []


def test_a_small_growth_of_our_own_modules_is_within_the_budget() -> None:
    assert excess(KNOWN + Counter({"core.keys": 20, "core.calendar": 20}), KNOWN) == []


@pytest.mark.parametrize(
    ("more", "named"),
    [({"core.keys": 41}, "+41 core.keys"), ({"html": 1}, "html is new and executes 1 lines")],
)
def test_what_exceeds_the_budget_is_named(more: dict[str, int], named: str) -> None:
    (line,) = excess(KNOWN + Counter(more), KNOWN)
    assert named in line


def test_a_written_budget_is_read_unchanged(tmp_path: Path) -> None:
    write(KNOWN, tmp_path / "lines.csv")
    assert read(tmp_path / "lines.csv") == KNOWN
    assert read(tmp_path / "none.csv") == Counter()


def test_modules_of_the_worker_are_its_own() -> None:
    assert is_own("core.keys")
    assert is_own("core")
    assert not is_own("html")
