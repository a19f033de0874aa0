"""Creates the virtual environment and installs the locked packages."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from dev.errors import MachineError
from dev.layout import Layout
from dev.setup.command import run_tool
from dev.setup.machine import MINIMUM_PYTHON
from dev.setup.progress import shown
from dev.setup.stamp import STAMP_NAME, fingerprint, is_stamped, write_atomically

INSTALLER = "installer"
"""The group with uv."""


def ensure_venv(layout: Layout) -> None:
    """Create the virtual environment unless a usable one exists.

    One created by another supported Python is kept: terminals may differ in their PATH, and a
    dispatcher may be running from it.

    Args:
        layout: The clone.

    Raises:
        MachineError: This Python cannot create one.
    """
    stamp = layout.venv / STAMP_NAME
    # A virtual environment contains its own path, so a moved clone needs a new one.
    expected = fingerprint(str(layout.venv))
    if is_stamped(stamp, expected) and _is_usable(layout.python):
        return
    with shown(f"Creating .venv with Python {sys.version.split()[0]}"):
        if layout.venv.exists():
            shutil.rmtree(layout.venv)
        try:
            # On Debian, this module is incomplete without the package python3-venv.
            import venv  # noqa: PLC0415

            venv.EnvBuilder(with_pip=True, symlinks=True).create(layout.venv)
        except (ImportError, subprocess.CalledProcessError) as error:
            raise MachineError(
                "This Python cannot create virtual environments: install its venv module (Debian: "
                f"apt-get install python{sys.version_info[0]}.{sys.version_info[1]}-venv), then "
                "run the same command again."
            ) from error
        write_atomically(stamp, expected.encode())


def ensure_packages(layout: Layout, group: str, title: str, lock: int) -> None:
    """Install the packages of a lock file into the virtual environment.

    Args:
        layout: The clone.
        group: The lock file's name in `dev/locks`, without its suffix.
        title: The title to print meanwhile.
        lock: The set-up lock's file descriptor.

    Raises:
        SetupError: The packages could not be installed.
    """
    requirements = layout.locks / f"{group}.txt"
    stamp = layout.venv / f"{STAMP_NAME}-{group}"
    expected = fingerprint(requirements)
    if is_stamped(stamp, expected):
        return
    with shown(title):
        run_tool(
            [*_installer(layout, group), "--requirement", requirements],
            log=layout.logs / f"install-{group}.log",
            cwd=layout.root,
            failure=f"{requirements.relative_to(layout.root)} could not be installed.",
            environment=_index(),
            keep_open=[lock],
        )
        write_atomically(stamp, expected.encode())


def _index() -> dict[str, str]:
    """Let uv use the index that the environment names for pip."""
    index = os.environ.get("PIP_INDEX_URL")
    return {"UV_DEFAULT_INDEX": index} if index else {}


def _installer(layout: Layout, group: str) -> list[str | Path]:
    """Return the start of the command line that installs a group: pip installs uv, and uv the rest.

    On a new machine this takes 15 s in place of pip's 75 s.
    """
    if group == INSTALLER:
        return pip(layout)
    return [
        *(layout.venv / "bin" / "uv", "pip", "install", "--python", layout.python),
        *("--require-hashes", "--only-binary=:all:", "--no-progress", "--system-certs"),
    ]


def pip(layout: Layout) -> list[str | Path]:
    """Return the start of a pip command that installs only locked, prebuilt packages."""
    return [
        layout.python,
        "-m",
        "pip",
        "install",
        "--require-hashes",
        "--only-binary=:all:",
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar=off",
    ]


def _is_usable(python: Path) -> bool:
    program = f"import sys, pip; sys.exit(sys.version_info[:2] < {MINIMUM_PYTHON})"
    try:
        check = subprocess.run([python, "-c", program], capture_output=True, check=False)
    except OSError:
        return False
    return check.returncode == 0
