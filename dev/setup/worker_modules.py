"""Vendors the Worker's Python packages, which must be pure Python.

pywrangler vendors into the same folder. Its token files are written here too, so that it does
not vendor again until pyproject.toml changes (`is_sync_needed` of workers-py 1.17.9).
"""

import json
import re
import shutil
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dev.errors import SetupError
from dev.layout import Layout
from dev.setup.command import run_tool
from dev.setup.progress import shown
from dev.setup.stamp import STAMP_NAME, fingerprint, is_stamped, write_atomically
from dev.setup.virtualenv import pip

WORKER_PYTHON = "3.14"
"""The Python version of the pinned Pyodide, for which packages are chosen."""

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
    tokens = (layout.python_modules / TOKEN_NAME, layout.venv_workers / TOKEN_NAME)
    expected = fingerprint(requirements, pyproject)
    if is_stamped(stamp, f"{expected} {_modification_times(tokens)}") and _are_newer(
        tokens, pyproject
    ):
        return
    project = tomllib.loads(pyproject.read_text())
    check_locked(project, requirements.read_text())
    with shown("Vendoring the Worker's Python packages"):
        vendor(layout, requirements, layout.python_modules, lock)
        layout.venv_workers.mkdir(exist_ok=True)
        for token in tokens:
            write_atomically(token, pinned_pywrangler(project).encode())
        write_atomically(stamp, f"{expected} {_modification_times(tokens)}".encode())


def _modification_times(tokens: Iterable[Path]) -> str:
    # Detects that pywrangler has vendored since: it then has rewritten its token.
    times = (token.stat().st_mtime_ns if token.exists() else 0 for token in tokens)
    return " ".join(str(time) for time in times)


def _are_newer(tokens: Iterable[Path], file: Path) -> bool:
    changed = file.stat().st_mtime_ns
    return all(token.stat().st_mtime_ns >= changed for token in tokens)


def ensure_inside_modules(layout: Layout, lock: int) -> None:
    """Vendor pytest and the Worker's packages for the tests inside workerd.

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
    """Install a lock file's packages into a folder, replacing it atomically.

    Args:
        layout: The clone.
        requirements: A lock file with hashes.
        target: The folder.
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


def check_locked(pyproject: Mapping[str, Any], lock: str) -> None:
    """Check that the Worker's dependencies are in the lock file.

    Args:
        pyproject: The parsed pyproject.toml.
        lock: The text of `dev/locks/worker.txt`.

    Raises:
        SetupError: A dependency is missing.
    """
    locked = {normal_name(name) for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    for requirement in pyproject.get("project", {}).get("dependencies", []):
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        if normal_name(name) not in locked:
            raise SetupError(
                f"dev/locks/worker.txt lacks {name}, a dependency in pyproject.toml: run "
                ".venv/bin/python -m dev.relock."
            )


def normal_name(name: str) -> str:
    """Return the normalized name of a package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


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
