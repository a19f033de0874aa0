"""Rounds of schemathesis against a running dispatcher, each with a seed of its own."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from dev.layout import HERE

from .settings import settings

ROUND_SECONDS_MAX = 1_800


@dataclass(frozen=True, slots=True)
class Target:
    """What is tried.

    Args:
        url: Where the dispatcher listens.
        token: The platform's.
        document: The description, as JSON.
    """

    url: str
    token: str
    document: str


def target_at(url: str, token: str) -> Target:
    """Take a dispatcher with its own description."""
    headers = {"authorization": f"Bearer {token}"}
    answer = httpx.get(f"{url}/__platform/openapi.json", headers=headers, timeout=60)
    return Target(url, token, answer.raise_for_status().text)


@dataclass(frozen=True, slots=True)
class Round:
    """What one run of schemathesis came to.

    Args:
        seed: What its data were drawn from.
        answers: How often each route, method and status came, by `METHOD PATH STATUS`.
        failures: Different failures that it found.
        cases: Test cases that it made.
        passed: Whether it found nothing.
        output: All that it printed.
    """

    seed: int
    answers: Counter[str]
    failures: int
    cases: int
    passed: bool
    output: str

    @property
    def requests(self) -> int:
        """How many requests were answered."""
        return self.answers.total()


def run_round(target: Target, folder: Path, seed: int, examples: int) -> Round:
    """Run schemathesis once: examples, coverage, `examples` for each operation, and stateful."""
    names = ("st.toml", "openapi.json", "tally.json", "report.json")
    config, document, tally, report = (folder / name for name in names)
    # From its own address, schemathesis would leave out the route that gives the document.
    document.write_text(target.document)
    config.write_text(settings(target.url, target.token, datetime.now(UTC)))
    command = [
        str(HERE.venv / "bin" / "st"),
        *("--config-file", str(config), "--no-color"),
        *("run", str(document)),
        *("--seed", str(seed), "--max-examples", str(examples)),
        *("--report", "json", "--report-json-path", str(report)),
    ]
    paths = os.pathsep.join((str(HERE.root / "src"), str(HERE.root)))
    completed = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "FUZZ_TALLY": str(tally)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=ROUND_SECONDS_MAX,
        check=False,
    )
    cases = json.loads(report.read_text())["test_cases"] if report.exists() else {}
    return Round(
        seed=seed,
        answers=Counter(json.loads(tally.read_text())) if tally.exists() else Counter(),
        failures=cases.get("unique_failures", 0),
        cases=cases.get("generated", 0),
        passed=completed.returncode == 0,
        output=completed.stdout,
    )


def run_rounds(
    target: Target, folder: Path, requests: int, seed: int, examples: int
) -> Iterator[Round]:
    """Run rounds with one seed after the other until so many requests were answered."""
    done = 0
    while done < requests:
        found = run_round(target, folder, seed, examples)
        yield found
        if not found.requests:
            return
        done += found.requests
        seed += 1
