"""The Python packages vendored for workerd: pure Python, for the Worker's own version.

pywrangler vendors into the same folder. The token files it looks for are written here
too, so that it leaves our vendoring alone; it does its own again once pyproject.toml
changes (`is_sync_needed` of workers-py 1.17.9).
"""

import json
import re
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

from dev.errors import SetupError
from dev.layout import Layout
from dev.setup.command import run_tool
from dev.setup.progress import shown
from dev.setup.stamp import STAMP_NAME, fingerprint, is_stamped, write_atomically
from dev.setup.virtualenv import pip

WORKER_PYTHON = "3.14"
"""The Python of the pinned Pyodide; packages are chosen for it, not for the host's."""

TOKEN_NAME = ".synced"  # noqa: S105 (the name of a file)


def ensure_worker_modules(layout: Layout, lock: int) -> None:
    """Vendor the SDK and the Worker's dependencies into `python_modules/`.

    Args:
        layout: The clone.
        lock: The set-up lock's file descriptor.

    Raises:
        SetupError: pip failed, or pyproject.toml does not pin workers-py.
    """
    pyproject = layout.root / "pyproject.toml"
    requirements = layout.locks / "worker.txt"
    stamp = layout.venv_workers / STAMP_NAME
    token = layout.python_modules / TOKEN_NAME
    expected = fingerprint(requirements, pyproject)
    if token.exists() and is_stamped(stamp, f"{expected} {token.stat().st_mtime_ns}"):
        return
    pywrangler_version = pinned_pywrangler(tomllib.loads(pyproject.read_text()))
    with shown("Vendoring the Worker's Python packages"):
        vendor(layout, requirements, layout.python_modules, lock)
        layout.venv_workers.mkdir(exist_ok=True)
        for synced in (token, layout.venv_workers / TOKEN_NAME):
            write_atomically(synced, pywrangler_version.encode())
        write_atomically(stamp, f"{expected} {token.stat().st_mtime_ns}".encode())


def ensure_inside_modules(layout: Layout, lock: int) -> None:
    """Vendor pytest, beside all that the Worker has, for the tests inside workerd.

    Args:
        layout: The clone.
        lock: The set-up lock's file descriptor.

    Raises:
        SetupError: pip failed.
    """
    requirements = layout.locks / "inside.txt"
    stamp = layout.inside_modules.parent / STAMP_NAME
    expected = fingerprint(requirements)
    if is_stamped(stamp, expected) and layout.inside_modules.is_dir():
        return
    with shown("Vendoring pytest for the tests inside workerd"):
        vendor(layout, requirements, layout.inside_modules, lock)
        write_atomically(stamp, expected.encode())


def vendor(layout: Layout, requirements: Path, target: Path, lock: int) -> None:
    """Install a lock file's packages into a folder of their own, replacing it whole.

    Args:
        layout: The clone.
        requirements: A lock file with hashes.
        target: The folder to make; it is either the old one or the new one at any time.
        lock: The set-up lock's file descriptor.

    Raises:
        SetupError: pip failed.
    """
    fresh = layout.cache / "vendoring" / requirements.stem
    old = fresh.with_name(f"{fresh.name}-old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.parent.mkdir(parents=True, exist_ok=True)
    run_tool(
        [
            *pip(layout),
            *("--target", fresh, "--no-compile", "--no-deps"),
            *("--python-version", WORKER_PYTHON, "--implementation", "py"),
            *("--abi", "none", "--platform", "any"),
            *("--requirement", requirements),
        ],
        log=layout.logs / f"vendor-{requirements.stem}.log",
        cwd=layout.root,
        failure=f"pip could not vendor {requirements.name}.",
        keep_open=[lock],
    )
    shutil.rmtree(fresh / "bin", ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def pinned_pywrangler(pyproject: Mapping[str, object]) -> str:
    """Return the exact version of workers-py in pyproject.toml's group "dev".

    Args:
        pyproject: The parsed file.

    Raises:
        SetupError: It is not pinned there.
    """
    text = json.dumps(pyproject.get("dependency-groups", {}))
    match = re.search(r'"workers-py==([0-9.]+)"', text)
    if match is None:
        raise SetupError('pyproject.toml must pin "workers-py==…" in its dependency group "dev".')
    return match.group(1)
