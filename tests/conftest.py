"""Shows what tests found out, when a run ends."""

from collections import defaultdict

import pytest

from dev.layout import HERE
from tests.support import findings

REPORT = HERE.cache / "findings.json"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the rows that tests recorded as tables, and keep them all in `.clawr/findings.json`."""
    rows: dict[str, list[findings.Row]] = defaultdict(list)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "call":
                continue
            for name, row in report.user_properties:
                if name in findings.TABLES:
                    rows[name].append(row)
    if not rows:
        return
    findings.write(rows, REPORT)
    terminalreporter.section("findings")
    for line in findings.lines(rows):
        terminalreporter.line(line)
    terminalreporter.line(f"All of it: {REPORT.relative_to(HERE.root)}")
