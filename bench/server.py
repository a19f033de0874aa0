"""The measured Worker under `wrangler dev`: started, filled, asked, watched from outside."""

from __future__ import annotations

import http.client
import json
import os
import shutil
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
from dev.launch.run_folder import RunFolder
from dev.launch.start import plugin_folder, start_in
from dev.layout import HERE

INSIDE = Path(__file__).parent / "inside"
TIMEOUT_SECONDS = 600.0
_SMALL = 1_000_000
_PROBE_SECONDS = 5.0
_LISTENING = "0A"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the Worker answered, and how long it took from outside."""

    body: Json
    seconds: float


@dataclass(slots=True)
class Measured:
    """A running Worker; one connection, one request at a time."""

    port: int
    connection: http.client.HTTPConnection

    def ask(self, path: str, body: bytes | None = None, **query: object) -> Answer:
        """Ask once; raises `RuntimeError` when the Worker failed."""
        started = time.perf_counter()
        text = self._exchange(path, body, query)
        seconds = time.perf_counter() - started
        return Answer(json.loads(text), seconds)

    def fetch(self, path: str, **query: object) -> int:
        """Ask once, read the answer without looking at it, and give its length in bytes."""
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
        """Put entries into the Worker's KV: small ones many at a time, large ones as a stream."""
        small: list[tuple[str, str, Json]] = []
        size = 0
        for key, value, metadata in entries:
            if len(value) > _SMALL:
                self.ask("/load", value.encode(), key=key, metadata=json.dumps(metadata))
                continue
            small.append((key, value, {"metadata": metadata}))
            size += len(value)
            if size > _SMALL:
                self.ask("/load-many", json.dumps(small).encode())
                small, size = [], 0
        self.ask("/load-many", json.dumps(small).encode())

    def delete(self, names: Sequence[str]) -> None:
        """Take keys out of the Worker's KV again."""
        self.ask("/delete-many", json.dumps(names).encode())

    def direct_port(self) -> int:
        """Find where workerd itself takes requests: wrangler's proxy costs more than an answer."""
        ports = [port for pid, _, _ in _workerds() for port in _ports_of(pid)]
        return next(port for port in ports if port != self.port and _is_worker(port))

    def cpu_seconds(self) -> float:
        """CPU time so far of every workerd that this process started."""
        return cpu_seconds()

    def peak_mb(self) -> float:
        """The most memory that the largest workerd has had resident: V8, Pyodide and KV."""
        return max(peak for _, _, peak in _workerds())

    def heap_mb(self) -> float:
        """Pyodide's memory, which grows and never shrinks."""
        return float(self.ask("/empty").body["heap_bytes"]) / 1e6


@contextmanager
def connected(port: int) -> Iterator[Measured]:
    """Hold one connection to a Worker."""
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
    try:
        yield Measured(port, connection)
    finally:
        connection.close()


@contextmanager
def running(state: Path) -> Iterator[Measured]:
    """Run the bench's Worker; the same `state` again sees what an earlier run stored."""
    state.mkdir(parents=True, exist_ok=True)
    scripts = state / "no-scripts"
    scripts.mkdir(exist_ok=True)
    options = LaunchOptions(port=0, state=state, namespace=scripts)
    folder = RunFolder(HERE)
    inside = folder.path / "bench_inside"
    shutil.copytree(HERE.root / "src", inside)
    shutil.copytree(INSIDE, inside, dirs_exist_ok=True)
    production = load_production_config(HERE.wrangler_toml)
    config = development_config(production, options, plugin_folder(HERE))
    config["main"] = "bench_inside/bench_entry.py"
    # Cron and the drain at the end are for the dispatcher alone.
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
    """Tell whether the Worker answers at a port; other parts of miniflare do at others."""
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
    """Find the ports at which a process listens for TCP connections (proc(5), /proc/net/tcp)."""
    sockets = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        # What is listed may be closed by now.
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
    """Find where the workerds that this process started listen."""
    return set(listeners())


def listeners() -> dict[int, int]:
    """Find the workerds that this process started: by each port, the process at it."""
    return {port: pid for pid, _, _ in _workerds() for port in _ports_of(pid)}


def resident_mb(pid: int) -> float:
    """Tell how much memory of a process is resident now (proc(5), VmRSS)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024 / 1e6


def cpu_seconds() -> float:
    """CPU time so far of every workerd that this process started."""
    return sum(cpu for _, cpu, _ in _workerds())


def workerd_at(port: int) -> int:
    """Find which of the workerds that this process started listens at a port."""
    return next(pid for pid, _, _ in _workerds() if port in _ports_of(pid))


def cpu_seconds_of(process: int) -> float:
    """CPU time so far of one process (proc(5), /proc/PID/stat)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _workerds() -> list[tuple[int, float, float]]:
    """Process, CPU seconds and peak megabytes of each workerd below this process."""
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
