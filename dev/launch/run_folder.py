"""The folder of one run: the generated configuration beside links to the sources.

wrangler takes the folder of its configuration for the project and looks there for
`python_modules`, the entrypoint and every relative path in the configuration. Links to
the clone's own entries make all of that resolve as it does in production, while several
runs keep apart what wrangler writes (`.wrangler/`).
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
_OWN_CONFIGS = {"wrangler.toml", "wrangler.json", "wrangler.jsonc"}
_LOCK_NAME = ".lock"


class RunFolder:
    """A run's folder, marked as in use by a file lock for as long as the run lasts.

    Args:
        layout: The clone.
        links: Entries that differ from the clone's own: name to target.
    """

    def __init__(self, layout: Layout, links: Mapping[str, Path] | None = None) -> None:
        """Make the folder and its links."""
        with exclusive(layout.runs / _LOCK_NAME):
            remove_abandoned(layout.runs)
            self.path = Path(tempfile.mkdtemp(dir=layout.runs, prefix="run-"))
            self.lock = os.open(
                self.path / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        targets = {entry.name: entry for entry in layout.root.iterdir() if _is_linked(entry.name)}
        for name, target in {**targets, **(links or {})}.items():
            (self.path / name).symlink_to(target)

    @property
    def config(self) -> Path:
        """The configuration that wrangler reads."""
        return self.path / CONFIG_NAME

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write the configuration, readable by this user alone: it holds secrets.

        Args:
            config: What `development_config` returned.
        """
        content = json.dumps(config, ensure_ascii=False, indent=1, default=str)
        write_atomically(self.config, content.encode(), mode=0o600)

    def remove(self) -> None:
        """Remove the folder; what its links point to stays."""
        os.close(self.lock)
        shutil.rmtree(self.path, ignore_errors=True)


def remove_abandoned(runs: Path) -> None:
    """Remove the folders of runs that ended without doing so themselves.

    Args:
        runs: The folder that holds them; its lock must be held.
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
