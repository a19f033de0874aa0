"""The workflows that people copy from docs/workflows are valid, and so are their commands."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from cli.app import app
from cli.targets import (
    CONTROL_DB_ID,
    DISPATCH_NAMESPACE,
    SCRIPT_NAME,
    TENANT_KV_ID,
    USAGE_KV_ID,
)
from dev.launch.settings import SECRETS, VARIABLES
from dev.layout import HERE

WORKFLOWS = sorted((HERE.root / "docs" / "workflows").glob("*.yml"))
KNOWN_SETTINGS = {
    *VARIABLES,
    *SECRETS,
    *(SCRIPT_NAME, DISPATCH_NAMESPACE, USAGE_KV_ID, TENANT_KV_ID, CONTROL_DB_ID),
    *("CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN", "CLAWR_URL"),
}
ROOT = typer.main.get_command(app)


def read(path: Path) -> dict[Any, Any]:
    document: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def jobs(path: Path) -> list[dict[str, Any]]:
    return [*read(path)["jobs"].values()]


def scripts(path: Path) -> list[str]:
    return [step["run"] for job in jobs(path) for step in job["steps"] if "run" in step]


LINES = sorted(
    {
        line.strip().removeprefix(".venv/bin/")
        for path in WORKFLOWS
        for script in scripts(path)
        for line in script.splitlines()
        if line.strip().startswith(".venv/bin/clawr ")
    }
)


def test_there_are_workflows_for_staging_and_a_monitor() -> None:
    assert [path.stem for path in WORKFLOWS] == ["monitor", "staging"]
    page = (HERE.root / "docs" / "deploy.md").read_text()
    assert all(f"(workflows/{path.name})" in page for path in WORKFLOWS)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_the_form_that_github_requires(path: Path) -> None:
    document = read(path)
    # YAML 1.1 reads the key `on` as true.
    assert set(document) == {"name", True, "permissions", "concurrency", "jobs"}
    assert document["permissions"] == {"contents": "read"}
    for cron in document[True].get("schedule", ()):
        assert len(cron["cron"].split()) == 5
    for job in jobs(path):
        assert job["timeout-minutes"] <= 60
        assert {"runs-on", "environment", "env", "steps"} <= set(job)
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert set(step) <= {"name", "run", "uses", "with"}
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/any@v1"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_secrets_come_from_githubs_secrets_and_are_known_settings(path: Path) -> None:
    for job in jobs(path):
        assert set(job["env"]) <= KNOWN_SETTINGS
        for name, value in job["env"].items():
            if name in SECRETS or name == "CLOUDFLARE_API_TOKEN":
                assert value == "${{ secrets." + name + " }}"
    assert not any("${{" in script for script in scripts(path))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_shell_can_read_every_step(path: Path) -> None:
    for script in scripts(path):
        subprocess.run(["bash", "-n", "-c", script], check=True)  # noqa: S607


def test_steps_call_targets_of_the_makefile() -> None:
    makefile = (HERE.root / "Makefile").read_text()
    targets = {
        target
        for path in WORKFLOWS
        for script in scripts(path)
        for target in re.findall(r"\bmake (\w+)", script)
    }
    assert targets == {"check", "clawr"}
    assert all(f"\n{target}:" in makefile for target in targets)


@pytest.mark.parametrize("line", LINES)
def test_a_command_line_of_a_workflow_is_valid(line: str) -> None:
    _, *words = shlex.split(line)
    command: Any = ROOT
    context = command.make_context("clawr", words)
    while below := getattr(command, "commands", None):
        name, *words = words
        command = below[name]
        context = command.make_context(name, words, parent=context)
    assert command.callback is not None


def test_command_lines_are_found() -> None:
    assert len(LINES) >= 6
