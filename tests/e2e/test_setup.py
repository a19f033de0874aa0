"""Failures of set-up are one line that says what to do.

Only the fast parts are tested; complete set-ups of a clone take too long for every run.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dev.errors import SetupError
from dev.layout import HERE, Layout
from dev.setup.machine import Machine
from dev.setup.node import find_node, machine_node, packaged_node
from dev.setup.npm import ensure_npm_packages

UNREACHABLE = "http://127.0.0.1:1"
"""A local address that refuses connections."""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone with the files that set-up needs."""
    root = tmp_path / "clone"
    shutil.copytree(
        HERE.root / "dev",
        root / "dev",
        ignore=shutil.ignore_patterns("node_modules", "__pycache__"),
    )
    for name in ("Makefile", "package.json", "package-lock.json", "pyproject.toml", ".npmrc"):
        shutil.copy(HERE.root / name, root / name)
    return root


def make(target: str, clone: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a target of the Makefile."""
    return subprocess.run(
        ["make", target],  # noqa: S607
        cwd=clone,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def error_line(completed: subprocess.CompletedProcess[str]) -> str:
    """Return the only line that is neither progress nor make's final message."""
    lines = [
        line
        for line in completed.stderr.splitlines()
        if not line.startswith(("make: ***", "make[")) and "…" not in line
    ]
    assert len(lines) == 1, completed.stderr
    return lines[0]


def test_an_unreachable_package_registry_is_reported_with_the_log(
    clone: Path, tmp_path: Path
) -> None:
    completed = make(
        "dev",
        clone,
        PIP_CONFIG_FILE=os.devnull,
        PIP_INDEX_URL=UNREACHABLE,
        PIP_EXTRA_INDEX_URL="",
        PIP_FIND_LINKS="",
        PIP_RETRIES="1",
        PIP_NO_CACHE_DIR="1",
        HOME=str(tmp_path),
    )
    assert completed.returncode != 0
    assert error_line(completed).startswith("error: The package registry cannot be reached")
    assert "install-installer.log" in completed.stderr


def test_an_unreachable_npm_registry_is_reported(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", UNREACHABLE)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    node = machine_node() or packaged_node(HERE)
    assert node is not None
    with pytest.raises(SetupError, match="registry cannot be reached"):
        ensure_npm_packages(Layout(clone), node, Machine.current(), lock=0)


def test_a_missing_python_is_reported_with_the_required_version(
    clone: Path, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("python3", "python3.13", "python"):
        (programs / name).write_text("#!/bin/sh\nexit 1\n")
        (programs / name).chmod(0o755)
    for name in ("sh", "make"):
        program = shutil.which(name)
        assert program is not None
        (programs / name).symlink_to(program)
    completed = make("dev", clone, PATH=str(programs))
    assert completed.returncode != 0
    assert error_line(completed).startswith("error: Python 3.11 or newer is needed")


def test_a_broken_python_is_skipped_for_a_working_one(clone: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "python3").write_text("#!/bin/sh\nexit 1\n")
    (programs / "python3").chmod(0o755)
    (programs / "python3.11").symlink_to(sys.executable)
    chosen = subprocess.run(
        ["/bin/sh", "dev/python.sh", "-c", "import sys; print(sys.version_info[:2] >= (3, 11))"],
        cwd=clone,
        env={**os.environ, "PATH": f"{programs}:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert chosen.stdout == "True\n"


@pytest.mark.parametrize("version", ["v20.20.2", "v22.11.0", "no version at all"])
def test_a_node_that_is_too_old_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    for name in ("node", "npm"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {version}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert machine_node() is None


def test_a_second_set_up_does_nothing() -> None:
    completed = subprocess.run(
        [sys.executable, "-m", "dev.setup", "tools"],
        cwd=HERE.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "", "")
    assert find_node(HERE).exists()
