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
    """A dispatcher to fuzz.

    Args:
        url: Its base URL.
        token: A token for its platform routes.
        document: Its OpenAPI document, as JSON.
    """

    url: str
    token: str
    document: str


def target_at(url: str, token: str) -> Target:
    """Return a running dispatcher with the document that it serves."""
    headers = {"authorization": f"Bearer {token}"}
    response = httpx.get(f"{url}/__platform/openapi.json", headers=headers, timeout=60)
    return Target(url, token, response.raise_for_status().text)


@dataclass(frozen=True, slots=True)
class Round:
    """The result of one run of schemathesis.

    Args:
        seed: The seed of its data.
        responses: The number of responses by `METHOD PATH STATUS`.
        failures: The number of different failures.
        cases: The number of test cases.
        passed: Whether it found no failure.
        output: Everything that it printed.
    """

    seed: int
    responses: Counter[str]
    failures: int
    cases: int
    passed: bool
    output: str

    @property
    def requests(self) -> int:
        """The number of responses."""
        return self.responses.total()


def run_round(target: Target, folder: Path, seed: int, examples: int) -> Round:
    """Run schemathesis once: examples, coverage, `examples` for each operation, and stateful."""
    names = ("st.toml", "openapi.json", "counts.json", "report.json")
    config, document, counts_file, report = (folder / name for name in names)
    # With the document's own URL, schemathesis would skip the route that serves it.
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
        env={**os.environ, "PYTHONPATH": paths, "FUZZ_COUNTS": str(counts_file)},
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
        responses=Counter(json.loads(counts_file.read_text()))
        if counts_file.exists()
        else Counter(),
        failures=cases.get("unique_failures", 0),
        cases=cases.get("generated", 0),
        passed=completed.returncode == 0,
        output=completed.stdout,
    )


def run_rounds(
    target: Target, folder: Path, requests: int, seed: int, examples: int
) -> Iterator[Round]:
    """Run rounds with consecutive seeds until there were `requests` responses."""
    done = 0
    while done < requests:
        found = run_round(target, folder, seed, examples)
        yield found
        if not found.requests:
            return
        done += found.requests
        seed += 1
