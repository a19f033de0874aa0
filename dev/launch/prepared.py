"""A prepared start: the Worker as `wrangler dev` runs it, from a recording and without wrangler.

The first start in a folder runs wrangler. It leaves what wrangler passed to miniflare, and a memory
snapshot of the Worker after its imports, as Cloudflare takes one at an upload. Later starts with
the same configuration give both to miniflare. Then a start costs 1.7 s of CPU time in place of
2.7 s (7 s without the snapshot), and a request half as much, because wrangler's proxy is missing.
The proxy also sends GET requests a second time when a connection ends early or the Worker is
reloaded; here, each request arrives once.
"""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dev.launch.options import LaunchOptions
from dev.layout import Layout
from dev.setup.node import find_node
from dev.setup.stamp import fingerprint

RECORDING = "miniflare.bin"
SNAPSHOT = "snapshot.bin"
OWN_SCRIPTS = tuple(Path(__file__).with_name(f"{name}.mjs") for name in ("record", "replay"))
"""The programs that write and read a recording."""

V8_FLAGS = "MINIFLARE_WORKERD_V8_FLAGS"
WITHOUT_OPTIMIZING = "--liftoff-only"
"""V8 does not optimize WebAssembly: that costs more CPU time than a test's requests get back."""


class PreparedStart:
    """The files of a prepared start.

    Args:
        folder: Their folder; the first start in it writes them.
        config: The content of a run's wrangler.json.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Find the recording for this configuration."""
        self.folder = folder
        self._recording = folder / f"{_digest(config)[:16]}-{RECORDING}"

    @property
    def is_recorded(self) -> bool:
        """Whether the Worker can be started without wrangler: not with another configuration."""
        return self._recording.exists()

    def command(self, layout: Layout, options: LaunchOptions) -> list[str]:
        """Return the command line that starts the Worker without wrangler.

        Args:
            layout: The clone; set-up must have run.
            options: The run's options.
        """
        _, replay = OWN_SCRIPTS
        node = find_node(layout)
        explorer = ["--explorer"] if options.has_explorer else []
        return [str(node), str(replay), str(self._recording), str(options.state), *explorer]

    def environment(self, options: LaunchOptions) -> dict[str, str]:
        """Return the environment variables with which wrangler records, and workerd loads.

        Args:
            options: The run's options.
        """
        snapshots = {"CLAWR_SNAPSHOTS": str(self.folder)}
        if (self.folder / SNAPSHOT).exists():
            return {**snapshots, V8_FLAGS: WITHOUT_OPTIMIZING}
        record, _ = OWN_SCRIPTS
        return {
            **snapshots,
            "CLAWR_RECORDING": str(self._recording),
            "CLAWR_STATE": str(options.state),
            "NODE_OPTIONS": f"--import={record.as_uri()}",
        }


def _digest(config: Mapping[str, Any]) -> str:
    """Return a hash of what a recording depends on: all but variables, and folders of scripts."""
    fixed = copy.deepcopy(dict(config))
    fixed.pop("vars", None)
    for binding in fixed.get("unsafe", {}).get("bindings", []):
        for name in ("scripts", "log"):
            binding["dev"]["options"].pop(name)
    return fingerprint(json.dumps(fixed, sort_keys=True, default=str))
