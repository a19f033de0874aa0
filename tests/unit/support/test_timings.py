"""The time of a run is shown by suite."""

import pytest

from tests.support.timings import suite_of, timing_lines


def report(nodeid: str, when: str, seconds: float) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid,
        ("", None, ""),
        {},
        "passed",
        None,
        when,  # type: ignore[arg-type]
        duration=seconds,
    )


def test_every_phase_of_a_test_counts_for_its_suite() -> None:
    reports = [
        report("tests/e2e/test_a.py::test_1", "setup", 1.0),
        report("tests/e2e/test_a.py::test_1", "call", 0.5),
        report("tests/unit/core/test_b.py::test_2", "call", 0.25),
    ]
    assert [line.split() for line in timing_lines(reports)] == [
        ["e2e", "1", "tests", "1.5", "s"],
        ["unit/core", "1", "tests", "0.2", "s"],
        ["all", "2", "tests", "1.8", "s"],
    ]


@pytest.mark.parametrize(
    ("nodeid", "suite"),
    [
        ("tests/e2e/test_a.py::test_1", "e2e"),
        ("tests/cli/publish/test_a.py::test_1[a/b]", "cli"),
        ("tests/unit/metering/sketches/test_a.py::test_1", "unit/metering"),
        ("tests/unit/test_usage.py::test_1", "unit"),
    ],
)
def test_a_suite_is_a_folder_below_tests_or_below_unit(nodeid: str, suite: str) -> None:
    assert suite_of(nodeid) == suite
