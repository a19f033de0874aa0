"""Checks this machine: the tools that set-up installs, and their versions."""

import json
import platform
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from cli.doctor.check import Check, State
from dev.errors import DevelopmentError
from dev.layout import Layout
from dev.setup.machine import MINIMUM_PYTHON
from dev.setup.node import MINIMUM_NODE, find_node, is_new_enough, node_version
from dev.setup.pyodide_bundle import find_bundle
from dev.setup.worker_modules import pinned_pywrangler

PART = "machine"

_SET_UP = "Run `make clawr`, which installs what is missing."


def check_machine(layout: Layout) -> Iterator[Check]:
    """Check the tools of a clone.

    Args:
        layout: The clone.
    """
    yield _python()
    yield _node(layout)
    yield _wrangler(layout)
    yield _pywrangler(layout)
    yield _set_up(layout)


def _python() -> Check:
    needed = ".".join(map(str, MINIMUM_PYTHON))
    version = platform.python_version()
    if sys.version_info[:2] < MINIMUM_PYTHON:
        return Check(PART, "python", State.FAILED, version, f"Install Python {needed} or newer.")
    return Check(PART, "python", State.OK, version)


def _node(layout: Layout) -> Check:
    try:
        program = find_node(layout)
    except DevelopmentError as error:
        return Check(PART, "node", State.FAILED, str(error), _SET_UP)
    version = node_version(program)
    if version is None or not is_new_enough(version):
        needed = ".".join(map(str, MINIMUM_NODE))
        message = version or f"{program} cannot be run"
        return Check(PART, "node", State.FAILED, message, f"Install Node.js {needed} or newer.")
    return Check(PART, "node", State.OK, version)


def _wrangler(layout: Layout) -> Check:
    wanted = json.loads((layout.root / "package.json").read_bytes())["dependencies"]["wrangler"]
    return _version("wrangler", _npm_version(layout.node_modules / "wrangler"), wanted, _SET_UP)


def _pywrangler(layout: Layout) -> Check:
    wanted = pinned_pywrangler(tomllib.loads((layout.root / "pyproject.toml").read_text()))
    try:
        found = metadata.version("workers-py")
    except metadata.PackageNotFoundError:
        # Deployments use wrangler, and set-up vendors the Worker's packages.
        return Check(PART, "pywrangler", State.OK, "not installed, and not needed")
    return _version("pywrangler", found, wanted, "Run `make check`, which installs it.")


def _set_up(layout: Layout) -> Check:
    if not (layout.python_modules / ".synced").exists():
        return Check(PART, "set-up", State.FAILED, "the Worker's packages are missing", _SET_UP)
    try:
        find_bundle(layout)
    except DevelopmentError as error:
        return Check(PART, "set-up", State.FAILED, str(error), _SET_UP)
    return Check(PART, "set-up", State.OK, "complete")


def _version(name: str, found: str | None, wanted: str, remedy: str) -> Check:
    if found is None:
        return Check(PART, name, State.FAILED, "not installed", remedy)
    if found != wanted:
        message = f"{found}; this clone is tested with {wanted}"
        return Check(PART, name, State.WARNING, message, remedy)
    return Check(PART, name, State.OK, found)


def _npm_version(package: Path) -> str | None:
    try:
        return str(json.loads((package / "package.json").read_bytes())["version"])
    except (OSError, ValueError, KeyError):
        return None
