"""make ends with a failure, and adds nothing to a command's explanation of it."""

import os
import subprocess

import pytest

from dev.layout import HERE


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make without set-up."""
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    return subprocess.run(
        ["make", "SETUP=true", *arguments],  # noqa: S607
        cwd=HERE.root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["dev", "PORT=http"], "error: PORT=http is not a port"),
        (["dev", "TENANTS=/nowhere.json"], "error: TENANTS=/nowhere.json cannot be read"),
        (["dev", "TENANTS=package.json"], "error: TENANTS=package.json is not a tenant directory"),
        (["dev", "NAMESPACE=/nowhere"], "error: NAMESPACE=/nowhere is not a readable folder"),
        (["demo", "PORT=1"], "error: "),
    ],
)
def test_an_explained_failure_is_one_line(arguments: list[str], told: str) -> None:
    ran = make(*arguments)
    assert ran.returncode == 1
    assert ran.stderr.startswith(told)
    assert (ran.stderr.count("\n"), ran.stdout) == (1, "")


def test_a_success_ends_with_zero() -> None:
    ran = make("help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "make dev" in ran.stdout


def test_a_dry_run_runs_nothing() -> None:
    ran = make("-n", "dev", "PORT=http")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "-m dev.launch" in ran.stdout


def test_what_make_itself_finds_is_told() -> None:
    assert "No rule to make target" in make("nowhere").stderr


def test_every_line_runs_in_question_mode() -> None:
    lines = (HERE.root / "Makefile").read_text(encoding="utf-8").splitlines()
    recipes = [line for line in lines if line.startswith("\t")]
    assert recipes
    assert [line for line in recipes if not line.startswith("\t+@")] == []
