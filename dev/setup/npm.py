"""Installs the npm packages: wrangler (with miniflare and workerd), Pyodide, the linter."""

import json
from pathlib import Path

from dev.errors import SetupError
from dev.layout import Layout
from dev.setup.command import run_tool
from dev.setup.machine import Machine
from dev.setup.node import Node
from dev.setup.progress import shown
from dev.setup.stamp import STAMP_NAME, fingerprint, is_stamped, write_atomically


def ensure_npm_packages(layout: Layout, node: Node, machine: Machine, lock: int) -> None:
    """Install the packages in package-lock.json, without running install scripts.

    Args:
        layout: The clone.
        node: The Node.js to use.
        machine: The machine, which determines the build of workerd.
        lock: The set-up lock's file descriptor.

    Raises:
        SetupError: npm failed, or omitted workerd for this machine.
        MachineError: workerd has no build for this machine.
    """
    workerd_package = machine.workerd_package()
    stamp = layout.node_modules / STAMP_NAME
    inputs = [layout.root / "package.json", layout.root / "package-lock.json"]
    expected = fingerprint(*inputs, workerd_package)
    if is_stamped(stamp, expected) and workerd_binary(layout, workerd_package).exists():
        return
    with shown("Installing wrangler, workerd and Pyodide"):
        install(layout, node, layout.root, "npm-ci", lock)
        if not workerd_binary(layout, workerd_package).exists():
            raise missing_package(workerd_package)
        write_atomically(stamp, expected.encode())


def install(layout: Layout, node: Node, folder: Path, log_name: str, lock: int) -> None:
    """Install the packages in a folder's package-lock.json.

    Args:
        layout: The clone.
        node: The Node.js to use.
        folder: The folder of package.json and package-lock.json.
        log_name: The log's name without its suffix.
        lock: The set-up lock's file descriptor.

    Raises:
        SetupError: npm failed.
    """
    lock_file = (folder / "package-lock.json").relative_to(layout.root)
    run_tool(
        [node.node, node.npm_cli, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        log=layout.logs / f"{log_name}.log",
        cwd=folder,
        failure=f"npm could not install the packages in {lock_file}.",
        environment={"npm_config_update_notifier": "false"},
        keep_open=[lock],
    )


def missing_package(package: str) -> SetupError:
    """Return the error for a package that npm omitted."""
    return SetupError(
        f"npm omitted {package}: allow optional packages in npm's configuration (remove "
        "omit=optional), then run the same command again."
    )


def workerd_binary(layout: Layout, workerd_package: str) -> Path:
    """Return the path of workerd in its npm package."""
    return layout.node_modules / workerd_package / "bin" / "workerd"


def package_version(layout: Layout, name: str) -> str:
    """Return the version of an installed npm package.

    Raises:
        SetupError: It is not installed.
    """
    manifest = layout.node_modules / name / "package.json"
    try:
        version = json.loads(manifest.read_text())["version"]
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise SetupError(
            f"The npm package {name} is incomplete: delete node_modules, then run the same command "
            "again."
        ) from error
    return str(version)
