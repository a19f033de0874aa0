"""The output and exit codes of `python -m dev.demo`."""

import json
import os
import subprocess
import sys

from .conftest import REPOSITORY
from .stand_in import stand_in


def demo(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dev.demo", *arguments]
    return subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_prints_the_totals_and_that_both_counts_agree() -> None:
    with stand_in() as server:
        run = demo("--url", server.url, "--requests", "60", "--seed", "1")
    assert run.returncode == 0, run.stderr
    assert "Sent 60 requests (seed 1)" in run.stdout
    assert f"{server.received} calls, and counted {server.received}: they agree" in run.stdout
    assert "@meridi" in run.stdout


def test_a_second_run_compares_the_difference_and_not_the_total() -> None:
    with stand_in() as server:
        demo("--url", server.url, "--requests", "30")
        run = demo("--url", server.url, "--requests", "30", "--json")
    report = json.loads(run.stdout)["report"]
    assert run.returncode == 0
    assert report["callsBefore"] > 0
    assert report["counted"] == report["toBeCounted"] <= report["sent"] == 30


def test_reports_missing_calls() -> None:
    with stand_in(forget_every=10) as server:
        run = demo("--url", server.url, "--requests", "60", "--patience", "0.5")
    assert run.returncode == 1
    assert "they differ (some are missing)" in run.stdout


def test_a_wrong_token_is_reported_in_one_line() -> None:
    with stand_in(token="another") as server:
        run = demo("--url", server.url)
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "--token" in run.stderr


def test_a_missing_dispatcher_is_reported_in_one_line() -> None:
    with stand_in() as server:
        url = server.url
    run = demo("--url", url)
    assert (run.returncode, run.stderr.count("\n")) == (2, 1)
    assert "make dev" in run.stderr


def test_an_invalid_address_is_reported_in_one_line() -> None:
    run = demo("--url", "localhost:8787")
    assert (run.returncode, run.stderr.count("\n")) == (2, 1)


def test_port_and_vars_are_read_as_by_make_dev() -> None:
    with stand_in(token="secret") as server:
        port = server.url.rpartition(":")[2]
        run = demo("--requests", "5", PORT=port, VARS="PLATFORM_ANALYTICS_TOKEN=secret")
    assert run.returncode == 0, run.stderr


def test_help_has_examples() -> None:
    assert "--requests 2000" in demo("--help").stdout
