"""Usage in a real dispatcher: rows, CSV, the documented lines, and sums that agree with events."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from dev.launch import Server
from dev.layout import HERE
from dev.setup.node import find_node
from dev.usage_check import compare

from .caller import Caller
from .conftest import TOKEN

USAGE = "/__platform/usage"
MONTH = f"{datetime.now(UTC):%Y-%m}-01"
PAGE = (HERE.root / "docs" / "usage.md").read_text()


@pytest.fixture(scope="module")
def used(server: Server) -> Server:
    """The shared dispatcher after some calls."""
    with Caller(server.url, TOKEN) as caller:
        for number in range(3):
            caller.request("/t/ledger/draw?fail=0", headers={"x-agent-id": f"reader-{number}"})
        caller.wait_until_logged()
    return server


def test_a_month_of_an_api_is_counted_in_one_row(used: Server) -> None:
    with Caller(used.url, TOKEN) as caller:
        wanted = {"from": MONTH, "api": "ledger", "interval": "month"}
        callers = caller.platform("usage", **wanted, groupBy="caller")
        assert len(callers["rows"]) >= 3
        (row,) = caller.platform("usage", **wanted)["rows"]
        assert row["calls"] == callers["totals"]["calls"]
        assert row["uniqueCallers"] >= 3
        headers = {"authorization": f"Bearer {TOKEN}", "accept": "text/csv"}
        csv = caller.request(f"{USAGE}?from={MONTH}", headers=headers)
        assert csv.headers["content-type"].startswith("text/csv")
        assert csv.text.startswith("startAt,")


def lines_of(language: str, server: Server) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    code = str(found[1])
    assert code.count("\n") == 3
    return (
        code.replace("http://localhost:8787", server.url)
        .replace("dev-token", TOKEN)
        .replace("2026-11-01", MONTH)
    )


def test_three_lines_of_python_plot_a_month(used: Server, tmp_path: Path) -> None:
    command = [sys.executable, "-c", lines_of("python", used)]
    settings = {"MPLBACKEND": "agg", "MPLCONFIGDIR": str(tmp_path)}
    subprocess.run(command, cwd=tmp_path, env=settings, check=True, timeout=120)
    assert (tmp_path / "month.png").read_bytes().startswith(b"\x89PNG")


def test_three_lines_of_javascript_plot_a_month(used: Server) -> None:
    code = lines_of("javascript", used)
    command = [str(find_node(HERE)), "--input-type=module", "-e", code]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert f"{datetime.now(UTC):%Y-%m-%d} #" in ran.stdout


def test_rows_add_up_to_windows_and_events(used: Server) -> None:
    with Caller(used.url, TOKEN) as caller:
        caller.wait_until_logged()
    headers = {"authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=used.url, headers=headers, timeout=60) as client:
        total, compared, differences = compare(client, 90, datetime.now(UTC))
    assert differences == []
    assert total.calls >= 3
    assert compared > 10
