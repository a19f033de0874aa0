"""What `python -m dev.demo` says and how it exits."""

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


def test_shows_the_figures_and_that_both_counts_agree() -> None:
    with stand_in() as server:
        shown = demo("--url", server.url, "--requests", "60", "--seed", "1")
    assert shown.returncode == 0, shown.stderr
    assert "Sent 60 requests (seed 1)" in shown.stdout
    assert f"{server.received} calls, and counted {server.received}: they agree" in shown.stdout
    assert "@meridi" in shown.stdout


def test_a_second_run_compares_the_difference_and_not_the_total() -> None:
    with stand_in() as server:
        demo("--url", server.url, "--requests", "30")
        shown = demo("--url", server.url, "--requests", "30", "--json")
    report = json.loads(shown.stdout)["report"]
    assert shown.returncode == 0
    assert report["callsBefore"] > 0
    assert report["counted"] == report["toBeCounted"] <= report["sent"] == 30


def test_says_when_calls_are_missing() -> None:
    with stand_in(forget_every=10) as server:
        shown = demo("--url", server.url, "--requests", "60", "--patience", "0.5")
    assert shown.returncode == 1
    assert "they differ (some are missing)" in shown.stdout


def test_a_wrong_token_is_one_line_that_says_what_to_do() -> None:
    with stand_in(token="another") as server:
        shown = demo("--url", server.url)
    assert shown.returncode == 2
    assert shown.stderr.count("\n") == 1
    assert "--token" in shown.stderr


def test_no_dispatcher_is_one_line_that_says_what_to_do() -> None:
    with stand_in() as server:
        url = server.url
    shown = demo("--url", url)
    assert (shown.returncode, shown.stderr.count("\n")) == (2, 1)
    assert "make dev" in shown.stderr


def test_an_address_that_is_none_is_one_line() -> None:
    shown = demo("--url", "localhost:8787")
    assert (shown.returncode, shown.stderr.count("\n")) == (2, 1)


def test_port_and_variables_mean_what_they_mean_to_make_dev() -> None:
    with stand_in(token="secret") as server:
        port = server.url.rpartition(":")[2]
        shown = demo("--requests", "5", PORT=port, VARS="PLATFORM_ANALYTICS_TOKEN=secret")
    assert shown.returncode == 0, shown.stderr


def test_help_has_examples() -> None:
    assert "--requests 2000" in demo("--help").stdout
