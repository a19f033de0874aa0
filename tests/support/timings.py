"""The time of a run by suite: the folders below `tests/`, and those below `unit/`."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import pytest


def timing_lines(reports: Iterable[pytest.TestReport]) -> Iterator[str]:
    """Yield a line for each suite: its tests, and the seconds that they took in all processes.

    Args:
        reports: The reports of each test's set-up, call and tear-down.
    """
    seconds: dict[str, float] = defaultdict(float)
    tests: dict[str, set[str]] = defaultdict(set)
    for report in reports:
        suite = suite_of(report.nodeid)
        seconds[suite] += report.duration
        tests[suite].add(report.nodeid)
    for suite in sorted(seconds, key=lambda name: -seconds[name]):
        yield f"{suite:<28}{len(tests[suite]):>6} tests {seconds[suite]:>8.1f} s"
    yield f"{'all':<28}{sum(map(len, tests.values())):>6} tests {sum(seconds.values()):>8.1f} s"


def suite_of(nodeid: str) -> str:
    """Return the suite of a test, such as `e2e` or `unit/payments`."""
    folders = nodeid.partition("::")[0].split("/")[1:-1]
    return "/".join(folders[: 2 if folders[:1] == ["unit"] else 1]) or "unit"
