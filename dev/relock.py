"""`python -m dev.relock [--upgrade]`: writes every lock file, without registry addresses.

Run it after a change to `dev/locks/*.in`, a package.json or the dependencies in
pyproject.toml. Lock files have exact versions and hashes for every platform. Locked versions
are kept unless `--upgrade` is given.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from dev.errors import SetupError, run_command_line
from dev.layout import HERE, Layout
from dev.setup.node import ensure_node
from dev.setup.stamp import write_atomically

LOCKS = {
    "installer": "3.11",
    "run": "3.11",
    "tools": "3.11",
    "node": "3.11",
    "worker": "3.14",
    "inside": "3.14",
}
"""Each lock file with the oldest Python version it must support."""

_PLATFORMS = {
    "darwin": {"os": ["darwin"]},
    "linux": {"os": ["linux"]},
    "android": {"os": ["android"]},
    "windows": {"os": ["win32"]},
    "win32": {"os": ["win32"]},
    "musl": {"libc": ["musl"]},
    "arm64": {"cpu": ["arm64"]},
    "amd64": {"cpu": ["x64"]},
    "x64": {"cpu": ["x64"]},
    "64": {"cpu": ["x64"]},
}


def lock_python(layout: Layout, name: str, python_version: str, *, upgrade: bool) -> None:
    """Compile one lock file of Python packages with uv.

    Args:
        layout: The clone.
        name: The lock file's name without its suffix.
        python_version: The oldest supported Python version.
        upgrade: Whether to choose the newest versions that the sources allow.

    Raises:
        SetupError: uv failed.
    """
    sources = [layout.locks / f"{name}.in"]
    if name in ("worker", "inside"):
        sources.append(layout.root / "pyproject.toml")
    if name == "inside":
        sources.append(layout.locks / "worker.in")
    command = [
        str(layout.venv / "bin" / "uv"),
        *("pip", "compile", "--quiet", "--universal"),
        *("--python-version", python_version, "--generate-hashes", "--no-header", "--no-annotate"),
        *("--no-emit-index-url", "--no-emit-find-links"),
        *("--output-file", str(layout.locks / f"{name}.txt")),
        *(str(source) for source in sources),
    ]
    if name in ("tools", "inside"):
        command += [
            "--constraints",
            str(layout.locks / f"{'run' if name == 'tools' else 'tools'}.txt"),
        ]
    if upgrade:
        command.append("--upgrade")
    if subprocess.run(command, cwd=layout.root, check=False).returncode != 0:
        raise SetupError(f"uv could not lock dev/locks/{name}.in; see its message above.")


def lock_npm(folder: Path, node: Path, npm_cli: Path) -> None:
    """Update a folder's package-lock.json from its package.json.

    Raises:
        SetupError: npm failed.
    """
    command = [str(node), str(npm_cli), "install", "--package-lock-only", "--ignore-scripts"]
    if subprocess.run(command, cwd=folder, check=False).returncode != 0:
        raise SetupError(f"npm could not lock {folder}/package.json; see its message above.")
    path = folder / "package-lock.json"
    lock = complete_platforms(json.loads(path.read_text()))
    write_atomically(path, (json.dumps(lock, indent=2, ensure_ascii=False) + "\n").encode())


def complete_platforms(lock: dict[str, Any]) -> dict[str, Any]:
    """Add the builds for other platforms that npm omitted from a lock.

    npm omits an optional package that the registry does not have (a mirror may have only one
    platform), and `npm ci` then rejects the lock. Such an entry is added with its exact
    version, but without a hash.

    Args:
        lock: package-lock.json, version 3.

    Returns:
        The same lock, with its packages in npm's order.
    """
    packages: dict[str, Any] = lock["packages"]
    missing = {
        f"node_modules/{name}": (name, version, bool(package.get("dev")))
        for package in packages.values()
        for name, version in package.get("optionalDependencies", {}).items()
        if f"node_modules/{name}" not in packages and re.fullmatch(r"[0-9.]+", version)
    }
    for path, (name, version, is_dev) in missing.items():
        platform: dict[str, list[str]] = {}
        for part in name.rsplit("/", 1)[-1].split("-"):
            platform |= _PLATFORMS.get(part, {})
        packages[path] = {
            "version": version,
            **({"dev": True} if is_dev else {}),
            "optional": True,
            **platform,
        }
    lock["packages"] = dict(sorted(packages.items()))
    return lock


def main() -> int:
    """Write all lock files."""
    for name, python_version in LOCKS.items():
        lock_python(HERE, name, python_version, upgrade="--upgrade" in sys.argv[1:])
    node = ensure_node(HERE, lock=0)
    for folder in (HERE.root, HERE.economy):
        lock_npm(folder, node.node, node.npm_cli)
    return 0


if __name__ == "__main__":
    sys.exit(run_command_line(main))
