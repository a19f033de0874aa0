"""What a request costs: this dispatcher beside what people would use instead.

Every contender runs at the same time, asked in turns, by the same client, without wrangler's
development proxy; each hands requests to the same script through the same local namespace.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from bench.load import load
from bench.server import cpu_seconds, open_ports
from dev.history.local_kv import LocalKv
from dev.launch.config import DEVELOPMENT_TOKEN, development_config, load_production_config
from dev.launch.options import HOST, LaunchOptions
from dev.launch.run_folder import RunFolder
from dev.launch.start import plugin_folder, start_in
from dev.layout import HERE
from ports import Json

CONTENDERS = Path(__file__).parent / "contenders"
ECHO = CONTENDERS / "namespace"
CONNECTIONS = 16
MEGABYTE = 1_000_000
OLD_LOG_EVENTS = 5_000

FUNCTIONS_FLAG = "disable_python_no_global_handlers"
TENANT = {
    "slug": "echo",
    "tenantId": "bench",
    "workerName": "echo",
    "owner": "@bench",
    "plan": "pro",
}


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to pass a request on; `main` is None for this dispatcher."""

    letter: str
    what: str
    main: str | None


ALL = (
    Contender("a", "JavaScript, passes on", "pass_through.js"),
    Contender("b", "Python without the SDK's class, passes on", "bare.py"),
    Contender("c", "Python with the SDK, passes on", "sdk.py"),
    Contender("d", "JavaScript, the log in one value", "one_value.js"),
    Contender("e", "Python, one key an event", "key_an_event.py"),
    Contender("f", "this dispatcher, a free API", None),
)


OLD_EVENT = {
    "id": "00000000-0000-4000-8000-000000000000",
    "at": "2026-11-22T12:00:00.000Z",
    "tenantId": "bench",
    "slug": "echo",
    "owner": "@bench",
    "method": "GET",
    "status": 200,
    "latencyMs": 3,
    "caller": "bench",
    "priceUsd": 0,
}
WRITTEN_SECONDS = 2
"""Within which everything that was answered is written, if it is to be."""


@dataclass(slots=True)
class RequestFigures:
    """One contender, by round: answers a second, and times in milliseconds.

    `alone_ms` is the median with one connection, `busy_*` with sixteen; `cpu_ms` is what all
    of workerd spends on one of those, the script and KV included; `download_ms` are
    1 MB down, `upload_ms` 10 MB up, whole. `counted` is what share of the small requests its
    log has afterwards, None where nothing is recorded.
    """

    letter: str
    what: str
    per_second: list[float] = field(default_factory=list)
    alone_ms: list[float] = field(default_factory=list)
    busy_ms: list[float] = field(default_factory=list)
    busy_p99_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    download_ms: list[float] = field(default_factory=list)
    upload_ms: list[float] = field(default_factory=list)
    counted: float | None = None

    def as_json(self) -> Json:
        """Give everything by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def measure(rounds: int, seconds: float, say: Callable[[str], None]) -> list[RequestFigures]:
    """Run all contenders, in turns, `rounds` times for `seconds` each."""
    found = [RequestFigures(one.letter, one.what) for one in ALL]
    with TemporaryDirectory() as name, ExitStack() as running:
        ports, stores, sent = [], [], [0] * len(ALL)
        for one in ALL:
            say(f"starting ({one.letter}) {one.what}")
            port, store = running.enter_context(_running(one, Path(name) / one.letter))
            ports.append(port)
            stores.append(store)
            if one.letter == "d":
                store.write("events", json.dumps([OLD_EVENT] * OLD_LOG_EVENTS))
        for port, figures, index in zip(ports, found, range(len(ALL)), strict=True):
            # The first requests load, compile and cache.
            sent[index] += len(load(port, "/t/echo/", seconds=1, connections=4).times)
            say(f"warm: ({figures.letter})")
        for number in range(rounds):
            for index, (port, figures) in enumerate(zip(ports, found, strict=True)):
                say(f"round {number + 1} of {rounds}: ({figures.letter})")
                sent[index] += _one_round(port, figures, seconds)
        for one, figures, port, store, count in zip(ALL, found, ports, stores, sent, strict=True):
            figures.counted = _counted(one, port, store, count)
    return found


def _one_round(port: int, figures: RequestFigures, seconds: float) -> int:
    alone = load(port, "/t/echo/", seconds=seconds / 3, connections=1)
    before = cpu_seconds()
    busy = load(port, "/t/echo/", seconds=seconds, connections=CONNECTIONS)
    figures.cpu_ms.append((cpu_seconds() - before) / len(busy.times) * 1_000)
    down = load(port, f"/t/echo/bytes/{MEGABYTE}", seconds=seconds / 3, connections=1)
    body = bytes(10 * MEGABYTE)
    up = load(port, "/t/echo/", seconds=seconds / 3, connections=1, method="POST", body=body)
    figures.alone_ms.append(alone.quantile_ms(0.5))
    figures.per_second.append(busy.per_second)
    figures.busy_ms.append(busy.quantile_ms(0.5))
    figures.busy_p99_ms.append(busy.quantile_ms(0.99))
    figures.download_ms.append(down.quantile_ms(0.5))
    figures.upload_ms.append(up.quantile_ms(0.5))
    return sum(len(one.times) for one in (alone, busy, down, up))


@contextmanager
def _running(contender: Contender, state: Path) -> Iterator[tuple[int, LocalKv]]:
    """Run a contender; give the port at which workerd itself takes requests, and its KV."""
    state.mkdir(parents=True)
    tenants = json.dumps({"tenants": [TENANT]})
    options = LaunchOptions(port=0, state=state, namespace=ECHO, tenant_directory=tenants)
    config = development_config(
        load_production_config(HERE.wrangler_toml), options, plugin_folder(HERE)
    )
    config.pop("triggers", None)
    # Cloudflare's own router of files is part of the edge; miniflare's, which stands in for it,
    # would cost a quarter of a request.
    config.pop("assets", None)
    # For wrangler's proxy, which nothing here goes through.
    config["vars"].pop("DRAIN_UPLOADS")
    folder = RunFolder(HERE)
    if contender.main is not None:
        _put_in_place(contender.main, folder.path, config)
    known = open_ports()
    server = start_in(HERE, folder, config, options)
    try:
        server.wait_until_ready("/t/echo/")
        direct = _direct_port(open_ports() - known - {server.port})
        with httpx.Client(base_url=f"http://{HOST}:{server.port}") as client:
            yield direct, LocalKv(client, state)
    finally:
        server.stop()


def _put_in_place(main: str, folder: Path, config: dict[str, Any]) -> None:
    inside = folder / "bench_contender"
    inside.mkdir()
    shutil.copy(CONTENDERS / main, inside)
    config["main"] = f"bench_contender/{main}"
    for name in ("durable_objects", "migrations", "ratelimits", "rules"):
        config.pop(name, None)
    flags = [] if main.endswith(".js") else config["compatibility_flags"]
    # Only (b) is a function; the others are as a new project is.
    of_functions = main == "bare.py"
    config["compatibility_flags"] = [
        flag for flag in flags if of_functions or flag != FUNCTIONS_FLAG
    ]


def _direct_port(ports: set[int]) -> int:
    for port in sorted(ports):
        try:
            if httpx.get(f"http://{HOST}:{port}/t/echo/", timeout=2).json()["echo"] is True:
                return port
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            continue
    raise RuntimeError(f"workerd answers at none of the ports {sorted(ports)}")


def _counted(contender: Contender, port: int, store: LocalKv, sent: int) -> float | None:
    """Find what share of the requests a contender's log has, when it had time to write."""
    time.sleep(WRITTEN_SECONDS)
    match contender.letter:
        case "d":
            events: list[Json] = json.loads(store.read("events") or "[]")
            return float(sum(event != OLD_EVENT for event in events)) / sent
        case "e":
            return len(store.names("event/")) / sent
        case "f":
            headers = {"authorization": f"Bearer {DEVELOPMENT_TOKEN}"}
            url = f"http://{HOST}:{port}/__platform/analytics?window=overall"
            snapshot = httpx.get(url, headers=headers, timeout=120).json()["snapshot"]
            return float(snapshot["heroStats"]["calls"]) / sent
    return None
