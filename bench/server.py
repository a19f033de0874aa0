"""Runs the measured Worker under `wrangler dev`, and reads CPU and memory of workerd."""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.analytics.fill import Entry
from core.ports import Json
from dev.launch.config import development_config, load_production_config
from dev.launch.options import HOST, LaunchOptions
from dev.launch.run_folder import RunFolder, copy_sources
from dev.launch.start import plugin_folder, start_in
from dev.layout import HERE

INSIDE = Path(__file__).parent / "inside"
TIMEOUT_SECONDS = 600.0
_SMALL = 1_000_000
_PROBE_SECONDS = 5.0
_LISTENING = "0A"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class TimedResponse:
    """A response body, and the duration seen by the client."""

    body: Json
    seconds: float


@dataclass(slots=True)
class Measured:
    """A running Worker, with one connection."""

    port: int
    connection: http.client.HTTPConnection

    def request(self, path: str, body: bytes | None = None, **query: object) -> TimedResponse:
        """Send a request; raise `RuntimeError` if the Worker failed."""
        started = time.perf_counter()
        text = self._exchange(path, body, query)
        seconds = time.perf_counter() - started
        return TimedResponse(json.loads(text), seconds)

    def fetch(self, path: str, **query: object) -> int:
        """Send a request, read the body, and return its length in bytes."""
        return len(self._exchange(path, None, query))

    def _exchange(self, path: str, body: bytes | None, query: Mapping[str, object]) -> bytes:
        target = f"{path}?{urllib.parse.urlencode(query)}"
        self.connection.request("GET" if body is None else "POST", target, body)
        response = self.connection.getresponse()
        text = response.read()
        if response.status != http.client.OK:
            raise RuntimeError(f"{path}: {response.status} {text[:300]!r}")
        return text

    def load(self, entries: Iterable[Entry]) -> None:
        """Write entries to the Worker's KV: small ones in groups, large ones as a stream."""
        small: list[tuple[str, str, Json]] = []
        size = 0
        for key, value, metadata in entries:
            if len(value) > _SMALL:
                self.request("/load", value.encode(), key=key, metadata=json.dumps(metadata))
                continue
            small.append((key, value, {"metadata": metadata}))
            size += len(value)
            if size > _SMALL:
                self.request("/load-many", json.dumps(small).encode())
                small, size = [], 0
        self.request("/load-many", json.dumps(small).encode())

    def delete(self, names: Sequence[str]) -> None:
        """Delete keys from the Worker's KV."""
        self.request("/delete-many", json.dumps(names).encode())

    def direct_port(self) -> int:
        """Return workerd's own port, because wrangler's proxy costs more than a response."""
        ports = [port for pid, _, _ in _workerds() for port in _ports_of(pid)]
        return next(port for port in ports if port != self.port and _is_worker(port))

    def cpu_seconds(self) -> float:
        """Return the CPU time of all workerds that this process started."""
        return cpu_seconds()

    def peak_mb(self) -> float:
        """Return the peak resident memory of the largest workerd: V8, Pyodide and KV."""
        return max(peak for _, _, peak in _workerds())

    def heap_mb(self) -> float:
        """Return Pyodide's memory, which never shrinks."""
        return float(self.request("/empty").body["heap_bytes"]) / 1e6


@contextmanager
def connected(port: int) -> Iterator[Measured]:
    """Open a connection to a Worker during a `with` block."""
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
    try:
        yield Measured(port, connection)
    finally:
        connection.close()


@contextmanager
def running(state: Path) -> Iterator[Measured]:
    """Run the measured Worker; `state` keeps its KV between runs."""
    state.mkdir(parents=True, exist_ok=True)
    scripts = state / "no-scripts"
    scripts.mkdir(exist_ok=True)
    options = LaunchOptions(port=0, state=state, namespace=scripts)
    folder = RunFolder(HERE)
    inside = folder.path / "bench_inside"
    copy_sources(HERE.root / "src", inside)
    copy_sources(INSIDE, inside)
    production = load_production_config(HERE.wrangler_toml)
    config = development_config(production, options, plugin_folder(HERE))
    config["main"] = "bench_inside/bench_entry.py"
    # Only the dispatcher has cron and buffered events.
    config.pop("triggers", None)
    config["vars"] = {}
    server = start_in(HERE, folder, config, options)
    try:
        server.wait_until_ready("/empty")
        with connected(server.port) as measured:
            yield measured
    finally:
        server.stop()


def _is_worker(port: int) -> bool:
    """Return whether the Worker listens at a port; others are of other parts of miniflare."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", "/empty")
        response = connection.getresponse()
        return response.status == http.client.OK and b"heap_bytes" in response.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _ports_of(pid: int) -> list[int]:
    """Return the TCP ports at which a process listens (proc(5), /proc/net/tcp)."""
    sockets = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        # A listed descriptor may be closed meanwhile.
        with suppress(FileNotFoundError):
            sockets.add(str(file.readlink()).removeprefix("socket:[").removesuffix("]"))
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return [
        int(row[1].partition(":")[2], 16)
        for row in rows
        if row[3] == _LISTENING and row[9] in sockets
    ]


def open_ports() -> set[int]:
    """Return the ports of all workerds that this process started."""
    return set(listeners())


def listeners() -> dict[int, int]:
    """Return port to process id of all workerds that this process started."""
    return {port: pid for pid, _, _ in _workerds() for port in _ports_of(pid)}


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process (proc(5), VmRSS)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024 / 1e6


def cpu_seconds() -> float:
    """Return the CPU time of all workerds that this process started."""
    return sum(cpu for _, cpu, _ in _workerds())


def workerd_at(port: int) -> int:
    """Return the process id of the workerd that listens at a port."""
    return next(pid for pid, _, _ in _workerds() if port in _ports_of(pid))


def cpu_seconds_of(process: int) -> float:
    """Return the CPU time of a process (proc(5), /proc/PID/stat)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _workerds() -> list[tuple[int, float, float]]:
    """Return process id, CPU seconds and peak megabytes of each workerd below this process."""
    parents, found = {}, []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
        except OSError:
            continue
        name, fields = text[text.index("(") + 1 : text.rindex(")")], text.rpartition(")")[2].split()
        pid = int(status.parent.name)
        parents[pid] = int(fields[1])
        if name == "workerd":
            found.append((pid, (int(fields[11]) + int(fields[12])) / _TICKS))
    mine = []
    for pid, cpu in found:
        above = pid
        while above and above != os.getpid():
            above = parents.get(above, 0)
        if above:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            peak_kb = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
            mine.append((pid, cpu, peak_kb * 1024 / 1e6))
    return mine
