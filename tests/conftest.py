"""The order in which tests run, and what a run shows at its end."""

import signal
import ssl
import threading
from collections import defaultdict
from contextlib import suppress
from functools import cache

import pytest
from hypothesis import settings

from dev.layout import HERE
from tests.support import findings
from tests.support.timings import timing_lines

REPORT = HERE.cache / "findings.json"

SLOWEST = (
    "e2e-market",
    "browser",
    "local-market",
    "e2e-test_load",
    "e2e-test_launcher",
    "e2e-test_charging",
    "e2e-test_readme",
    "e2e-test_crashes",
    "e2e-test_replay",
    "e2e-test_payments_soak",
    "cli-test_deploy",
    "e2e-test_directory",
    "e2e-test_outages",
)
"""The groups that take longest, first: what begins last should be short."""


def pytest_configure() -> None:
    """Let Ctrl-C end the programs that tests start, even where this run ignores it; share TLS.

    Examples of properties have no time limit: how long one takes depends on the other processes.

    Under `nohup`, or in the background of a script, SIGINT is ignored, and programs inherit that.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.register_profile("any-speed", deadline=None)
    settings.load_profile("any-speed")
    # Each httpx client loads 140 certificates, which takes 25 ms of CPU time; no test needs them.
    ssl.create_default_context = cache(ssl.create_default_context)  # type: ignore[assignment]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slowest groups."""
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    marker = item.get_closest_marker("xdist_group")
    with suppress(ValueError):
        return SLOWEST.index(marker.args[0]) if marker is not None else len(SLOWEST)
    return len(SLOWEST)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print where the time went, and the rows that tests recorded (kept in `findings.json`)."""
    reports = [
        report
        for group in terminalreporter.stats.values()
        for report in group
        if isinstance(report, pytest.TestReport)
    ]
    terminalreporter.section("time by suite")
    for line in timing_lines(reports):
        terminalreporter.line(line)
    rows: dict[str, list[findings.Row]] = defaultdict(list)
    for report in reports:
        if report.when == "call":
            for name, row in report.user_properties:
                if name in findings.TABLES:
                    rows[name].append(row)  # type: ignore[arg-type]
    if not rows:
        return
    findings.write(rows, REPORT)
    terminalreporter.section("findings")
    for line in findings.lines(rows):
        terminalreporter.line(line)
    terminalreporter.line(f"All rows: {REPORT.relative_to(HERE.root)}")
