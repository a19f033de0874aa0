"""Runs a contender and reads what its log recorded.

Each contender is a Worker under a separate wrangler. Requests go directly to workerd, not through
wrangler's development proxy. All dispatch to the same script in the same local namespace.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench.server import open_ports, workerd_at
from core.ports import Json
from dev.history.local_kv import LocalKv
from dev.launch.config import DEVELOPMENT_TOKEN, development_config, load_production_config
from dev.launch.options import HOST, LaunchOptions
from dev.launch.run_folder import RunFolder
from dev.launch.start import plugin_folder, start_in
from dev.layout import HERE

CONTENDERS = HERE.root / "bench" / "contenders"
ECHO = CONTENDERS / "namespace"
OLD_LOG_EVENTS = 5_000
REQUEST_SECONDS = 120.0
PROBE_SECONDS = 2.0
UNKNOWN_API, NOT_FOUND = "/t/unknown/", "tenant_not_found"
"""The path requested before a run, and its error code; no log counts it as a call."""

FUNCTIONS_FLAG = "disable_python_no_global_handlers"
TENANT = {
    "slug": "echo",
    "tenantId": "bench",
    "workerName": "echo",
    "owner": "@bench",
    "plan": "pro",
}
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
"""Time until all events are written."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A Worker that dispatches requests.

    `main` is `None` for this dispatcher. `tenants` are its records, `variables` its settings in
    addition to those of development.
    """

    letter: str
    what: str
    main: str | None = None
    tenants: tuple[Mapping[str, Json], ...] = (TENANT,)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """A running contender: port and process id of its workerd, and its KV."""

    contender: Contender
    port: int
    process: int
    store: LocalKv

    def request_platform(self, path: str, **query: str) -> Json:
        """Request this dispatcher's platform API; raises httpx's errors."""
        response = httpx.get(
            f"http://{HOST}:{self.port}/__platform/{path}",
            params=query,
            headers={"authorization": f"Bearer {DEVELOPMENT_TOKEN}"},
            timeout=REQUEST_SECONDS,
        )
        document: Json = response.raise_for_status().json()
        return document

    def wait_until_written(self) -> None:
        """Wait until it has written its events."""
        time.sleep(WRITTEN_SECONDS)

    def recorded(self) -> int | None:
        """Return the number of requests in its log; `None` if it has none."""
        self.wait_until_written()
        match self.contender.letter:
            case "d":
                events: list[Json] = json.loads(self.store.read("events") or "[]")
                return len([event for event in events if event != OLD_EVENT])
            case "e":
                return len(self.store.names("event/"))
            case "f":
                snapshot = self.request_platform("analytics", window="overall")["snapshot"]
                return int(snapshot["heroStats"]["calls"])
        return None


@contextmanager
def running(contender: Contender, state: Path) -> Iterator[Running]:
    """Run a contender during a `with` block."""
    state.mkdir(parents=True)
    tenants = json.dumps({"tenants": contender.tenants})
    options = LaunchOptions(
        port=0,
        state=state,
        namespace=ECHO,
        tenant_directory=tenants,
        variables=contender.variables,
    )
    config = development_config(
        load_production_config(HERE.wrangler_toml), options, plugin_folder(HERE)
    )
    config.pop("triggers", None)
    # In production the edge serves files; miniflare's replacement would cost a quarter of a
    # request.
    config.pop("assets", None)
    # Only for wrangler's proxy, which is not used here.
    config["vars"].pop("DRAIN_UPLOADS")
    folder = RunFolder(HERE)
    if contender.main is not None:
        use_contender(contender.main, folder.path, config)
    known = open_ports()
    server = start_in(HERE, folder, config, options)
    try:
        server.wait_until_ready(UNKNOWN_API)
        direct = _direct_port(open_ports() - known - {server.port})
        with httpx.Client(base_url=f"http://{HOST}:{server.port}") as client:
            store = LocalKv(client)
            if contender.letter == "d":
                store.write("events", json.dumps([OLD_EVENT] * OLD_LOG_EVENTS))
            yield Running(contender, direct, workerd_at(direct), store)
    finally:
        server.stop()


def use_contender(main: str, folder: Path, config: dict[str, Any]) -> None:
    """Configure a run for a Worker of `contenders/` instead of this dispatcher."""
    inside = folder / "bench_contender"
    inside.mkdir()
    # For the official middleware; wrangler bundles what a contender imports.
    (inside / "node_modules").symlink_to(HERE.economy / "node_modules")
    source = CONTENDERS / main
    shutil.copy(source, inside)
    config["main"] = f"bench_contender/{source.name}"
    for name in ("assets", "durable_objects", "migrations", "ratelimits", "rules"):
        config.pop(name, None)
    flags = config["compatibility_flags"] if source.suffix == ".py" else []
    # Only (b) is a function; the others use the flags of a new project.
    of_functions = source.name == "bare.py"
    config["compatibility_flags"] = [
        flag for flag in flags if of_functions or flag != FUNCTIONS_FLAG
    ]
    if source.name == "middleware.js":
        config["compatibility_flags"].append("nodejs_compat")


def _direct_port(ports: set[int]) -> int:
    """Return the port of workerd; the others are of other parts of miniflare."""
    for port in sorted(ports):
        try:
            response = httpx.get(f"http://{HOST}:{port}{UNKNOWN_API}", timeout=PROBE_SECONDS).json()
        except (httpx.HTTPError, ValueError):
            continue
        if isinstance(response, dict) and (
            response.get("echo") or response.get("error") == NOT_FOUND
        ):
            return port
    raise RuntimeError(f"workerd responds at none of the ports {sorted(ports)}")
