"""The folder of one run: the generated configuration beside links to the clone.

wrangler resolves `python_modules`, the entrypoint and all relative paths against the folder of
its configuration. The links make that work as in production, and each run has its own
`.wrangler/`.

wrangler watches the sources and the assets. After any change of a file in them, also of one that
is no part of the Worker such as Python's bytecode, it restarts workerd: the isolate's buffered
events are lost, and GET requests in flight are sent a second time. A run that must not be
disturbed has copies in place of links.
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dev.layout import Layout
from dev.setup.lock import exclusive
from dev.setup.stamp import write_atomically

CONFIG_NAME = "wrangler.json"
WATCHED = ("src", "public")
"""The folders that wrangler watches."""

_OWN_CONFIGS = {"wrangler.toml", "wrangler.json", "wrangler.jsonc"}
_LOCK_NAME = ".lock"


class RunFolder:
    """A run's folder; a file lock marks it as in use.

    Args:
        layout: The clone.
        links: Links that replace those to the clone: name to target.
        copies: Whether the watched folders are copied instead of linked.
    """

    def __init__(
        self, layout: Layout, links: Mapping[str, Path] | None = None, *, copies: bool = True
    ) -> None:
        """Create the folder with its links and copies."""
        with exclusive(layout.runs / _LOCK_NAME):
            remove_abandoned(layout.runs)
            self.path = Path(tempfile.mkdtemp(dir=layout.runs, prefix="run-"))
            self.lock = os.open(
                self.path / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        targets = {entry.name: entry for entry in layout.root.iterdir() if _is_linked(entry.name)}
        for name, target in {**targets, **(links or {})}.items():
            if copies and name in WATCHED:
                copy_sources(target, self.path / name)
            else:
                (self.path / name).symlink_to(target)

    @property
    def config(self) -> Path:
        """The configuration that wrangler reads."""
        return self.path / CONFIG_NAME

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write the configuration, readable only by this user because it has secrets.

        Args:
            config: The result of `development_config`.
        """
        content = json.dumps(config, ensure_ascii=False, indent=1, default=str)
        write_atomically(self.config, content.encode(), mode=0o600)

    def remove(self) -> None:
        """Remove the folder, but not the targets of its links."""
        os.close(self.lock)
        shutil.rmtree(self.path, ignore_errors=True)


def copy_sources(folder: Path, copy: Path) -> None:
    """Copy a folder of sources without Python's bytecode, which other processes may be writing.

    Args:
        folder: The folder.
        copy: Its copy; files are added to an existing folder.
    """
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)


def remove_abandoned(runs: Path) -> None:
    """Remove the folders of runs that were killed.

    Args:
        runs: The parent folder; its lock must be held.
    """
    for folder in runs.glob("run-*"):
        descriptor = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)


def _is_linked(name: str) -> bool:
    return not name.startswith(".") and name not in _OWN_CONFIGS
