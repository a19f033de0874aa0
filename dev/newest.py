"""Runs the suites that need workerd on npm's newest wrangler, workerd and the Pyodide of both.

`make test RUNTIME=newest` does this in a copy of the sources (`.clawr/newest`), which has npm
packages and a Pyodide bundle of its own and shares everything else with the clone.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence

from dev.check.house_rules import tracked_files
from dev.errors import VersionFitError
from dev.layout import HERE, Layout
from dev.setup.command import run_tool
from dev.setup.lock import exclusive
from dev.setup.machine import Machine
from dev.setup.node import ensure_node
from dev.setup.npm import package_version, workerd_binary
from dev.setup.progress import shown
from dev.setup.pyodide_bundle import ensure_bundle, expected_pyodide

SUITES = ("tests/runtime", "tests/ports", "tests/e2e", "--ignore=tests/e2e/test_setup.py")
"""What depends on the runtime. Set-up does not, and cannot be repeated in a copy with links."""

PACKAGES = ("wrangler", "workerd", "pyodide")


def run_on_newest(arguments: Sequence[str], selected: Sequence[str]) -> int:
    """Run tests on the newest runtime; return pytest's exit code.

    Args:
        arguments: pytest's options.
        selected: More options, and files or folders relative to the clone; without any of
            those, `SUITES`.

    Raises:
        SetupError: The newest packages could not be installed.
        VersionFitError: The bundle cannot be built from the newest Pyodide.
    """
    layout = Layout(HERE.cache / "newest")
    with exclusive(HERE.cache / "newest.lock", "Waiting for another run on the newest runtime …"):
        copy_sources(HERE, layout)
        share_installed(HERE, layout)
        _install_newest(layout)
        versions = ", ".join(f"{name} {package_version(layout, name)}" for name in PACKAGES)
        print(f"Testing on {versions}.", flush=True)
        environment = {name: value for name, value in os.environ.items() if name != "RUNTIME"}
        command = [str(layout.python), "-m", "pytest", *arguments, *with_suites(layout, selected)]
        return subprocess.run(command, cwd=layout.root, env=environment, check=False).returncode


def with_suites(layout: Layout, selected: Sequence[str]) -> Sequence[str]:
    """Return a selection with `SUITES`, unless it names a file or folder of the clone."""
    named = any((layout.root / one.partition("::")[0]).exists() for one in selected)
    return selected if named else [*selected, *SUITES]


def copy_sources(clone: Layout, copy: Layout) -> None:
    """Replace the sources of the copy by the clone's; what is installed there stays."""
    copy.root.mkdir(parents=True, exist_ok=True)
    for entry in copy.root.iterdir():
        if entry in (copy.node_modules, copy.cache):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    for name in tracked_files(clone):
        target = copy.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(clone.root / name, target, follow_symlinks=False)


def share_installed(clone: Layout, copy: Layout) -> None:
    """Link what set-up installed in the clone and does not depend on the runtime's version."""
    for target in (
        clone.venv,
        clone.venv_workers,
        clone.python_modules,
        clone.economy / "node_modules",
        clone.inside_modules,
    ):
        link = copy.root / target.relative_to(clone.root)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target.resolve())


def _install_newest(layout: Layout) -> None:
    lock_file = layout.cache / "setup.lock"
    with exclusive(lock_file, "Waiting for another set-up …") as lock:
        workerd = workerd_binary(layout, Machine.current().workerd_package())
        with shown("Installing npm's newest wrangler, workerd and their Pyodide"):
            _npm_install(layout, "wrangler@latest", lock)
            pyodide = expected_pyodide(workerd)
            if pyodide is None:
                raise VersionFitError(
                    f"workerd {package_version(layout, 'workerd')} does not say which Pyodide it"
                    " needs where `expected_pyodide` looks for it: adapt dev/setup/pyodide_bundle."
                )
            _npm_install(layout, f"pyodide@{pyodide}", lock)
        ensure_bundle(layout, workerd, lock)


def _npm_install(layout: Layout, package: str, lock: int) -> None:
    node = ensure_node(layout, lock)
    options = ("--save-exact", "--ignore-scripts", "--no-audit", "--no-fund")
    run_tool(
        [node.node, node.npm_cli, "install", *options, package],
        log=layout.logs / "npm-newest.log",
        cwd=layout.root,
        failure=f"npm could not install {package}.",
        environment={"npm_config_update_notifier": "false"},
        keep_open=[lock],
    )
