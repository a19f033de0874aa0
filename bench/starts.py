"""Starts workerd as miniflare does, but without Node.js and wrangler in the measured time.

`wrangler dev` runs at the same time and serves only the tenants' scripts. The configuration that
it passed to its own workerd on standard input is passed to the measured ones.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.requests.contender import ECHO, TENANT, use_contender
from bench.server import resident_mb
from dev.launch.config import development_config, load_production_config
from dev.launch.options import HOST, LaunchOptions
from dev.launch.run_folder import RunFolder
from dev.launch.start import plugin_folder, start_in
from dev.layout import HERE
from dev.setup.machine import Machine
from dev.setup.npm import workerd_binary
from dev.setup.pyodide_bundle import find_bundle

ANSWER_SECONDS = 60.0
SNAPSHOT = "snapshot.bin"
_NOT_WANTED = ("--inspector-addr", "--debug-port", "--control-fd")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Start:
    """From the start of the process to its first response: times in seconds, memory in megabytes.

    `cpu_seconds` include all its threads, such as V8's compilers.
    """

    seconds: float
    cpu_seconds: float
    resident_mb: float


@dataclass(frozen=True, slots=True)
class Kept:
    """The arguments and the configuration of a workerd; its snapshot is stored in `folder`."""

    folder: Path
    arguments: Sequence[str]
    config: Path

    def snapshot_mb(self, path: str) -> float:
        """Take a snapshot after the imports, as Cloudflare does at an upload; return its size."""
        self._run(path, ("--python-save-snapshot", f"--python-snapshot-dir={self.folder}"))
        return (self.folder / SNAPSHOT).stat().st_size / 1e6

    def start(self, path: str, *, is_from_snapshot: bool) -> Start:
        """Start it, request `path`, and stop it. Raises `RuntimeError` unless the status is 200."""
        load = (f"--python-load-snapshot={SNAPSHOT}", f"--python-snapshot-dir={self.folder}")
        return self._run(path, load if is_from_snapshot else ())

    def _run(self, path: str, more: Sequence[str]) -> Start:
        program = workerd_binary(HERE, Machine.current().workerd_package())
        bundle = f"--pyodide-bundle-disk-cache-dir={find_bundle(HERE)}"
        reading, writing = os.pipe()
        with self.config.open("rb") as config, os.fdopen(reading) as control:
            started = time.perf_counter()
            process = subprocess.Popen(
                [program, "serve", bundle, *more, f"--control-fd={writing}", *self.arguments],
                stdin=config,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(writing,),
            )
            try:
                os.close(writing)
                _ask(_port(control), path)
                seconds = time.perf_counter() - started
                return Start(seconds, *_spent(process.pid))
            finally:
                process.kill()
                process.wait()


def _port(control: Iterator[str]) -> int:
    """Return the port that workerd reports when everything is loaded."""
    for line in control:
        message = json.loads(line)
        if message.get("event") == "listen" and message["socket"] == "entry":
            return int(message["port"])
    raise RuntimeError("workerd ended before it listened")


def _ask(port: int, path: str) -> None:
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise RuntimeError(f"{path}: {response.status} {text[:300]!r}")


def _spent(pid: int) -> tuple[float, float]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS, resident_mb(pid)


@contextmanager
def kept_start(main: str | None, state: Path) -> Iterator[Kept]:
    """Run a Worker under `wrangler dev`, and yield what its workerd was started with.

    Args:
        main: A file below `contenders/`; None for this dispatcher.
        state: An empty folder for its state.
    """
    kept = state / "starts"
    kept.mkdir(parents=True)
    directory = json.dumps({"tenants": [TENANT]})
    options = LaunchOptions(port=0, state=state, namespace=ECHO, tenant_directory=directory)
    folder = RunFolder(HERE)
    production = load_production_config(HERE.wrangler_toml)
    config = development_config(production, options, plugin_folder(HERE))
    # Only the dispatcher has cron and needs the drain at the end.
    config.pop("triggers", None)
    config["vars"].pop("PLATFORM_ANALYTICS_TOKEN")
    if main is not None:
        use_contender(main, folder.path, config)
    server = start_in(HERE, folder, config, options, extra={"CLAWR_KEPT_STARTS": str(kept)})
    try:
        server.wait_until_ready("/t/echo/")
        yield _of_the_worker(kept, state)
    finally:
        server.stop()


def _of_the_worker(kept: Path, folder: Path) -> Kept:
    """Find the start of the Worker's own workerd: the others that wrangler starts are smaller."""
    config = max(kept.glob("*.config"), key=lambda file: file.stat().st_size)
    given = config.with_suffix(".arguments").read_text().splitlines()
    arguments = [one for one in given if not one.startswith(_NOT_WANTED)]
    return Kept(folder, arguments, config)
