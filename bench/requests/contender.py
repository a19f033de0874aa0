"""Starts a contender, asks what its log has in the end, and knows which process it is.

Each is a Worker under a wrangler of its own, reached at workerd itself, without wrangler's
development proxy; each hands requests to the same script through the same local namespace.
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
ASKED_SECONDS = 120.0
PROBE_SECONDS = 2.0
NOBODY, NOT_FOUND = "/t/nobody/", "tenant_not_found"
"""What is asked before a run, and what those answer that look at it: no log counts it as a call."""

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
"""Within which everything that was answered is written, if it is to be."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to pass a request on.

    `main` is None for this dispatcher. `tenants` are its records, `variables` its settings on
    top of those of development.
    """

    letter: str
    what: str
    main: str | None = None
    tenants: tuple[Mapping[str, Json], ...] = (TENANT,)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """A contender that runs: the port and the process of its workerd, and its KV."""

    contender: Contender
    port: int
    process: int
    store: LocalKv

    def ask_platform(self, path: str, **query: str) -> Json:
        """Ask this dispatcher's platform API; raises httpx's errors."""
        answer = httpx.get(
            f"http://{HOST}:{self.port}/__platform/{path}",
            params=query,
            headers={"authorization": f"Bearer {DEVELOPMENT_TOKEN}"},
            timeout=ASKED_SECONDS,
        )
        document: Json = answer.raise_for_status().json()
        return document

    def wait_until_written(self) -> None:
        """Give it time to write what it records after its answers."""
        time.sleep(WRITTEN_SECONDS)

    def recorded(self) -> int | None:
        """Count the requests in its log, when it had time to write; None where there is none."""
        self.wait_until_written()
        match self.contender.letter:
            case "d":
                events: list[Json] = json.loads(self.store.read("events") or "[]")
                return len([event for event in events if event != OLD_EVENT])
            case "e":
                return len(self.store.names("event/"))
            case "f":
                snapshot = self.ask_platform("analytics", window="overall")["snapshot"]
                return int(snapshot["heroStats"]["calls"])
        return None


@contextmanager
def running(contender: Contender, state: Path) -> Iterator[Running]:
    """Run a contender for the time of a `with` block."""
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
    # Cloudflare's own router of files is part of the edge; miniflare's, which stands in for it,
    # would cost a quarter of a request.
    config.pop("assets", None)
    # For wrangler's proxy, which nothing here goes through.
    config["vars"].pop("DRAIN_UPLOADS")
    folder = RunFolder(HERE)
    if contender.main is not None:
        put_in_place(contender.main, folder.path, config)
    known = open_ports()
    server = start_in(HERE, folder, config, options)
    try:
        server.wait_until_ready(NOBODY)
        direct = _direct_port(open_ports() - known - {server.port})
        with httpx.Client(base_url=f"http://{HOST}:{server.port}") as client:
            store = LocalKv(client, state)
            if contender.letter == "d":
                store.write("events", json.dumps([OLD_EVENT] * OLD_LOG_EVENTS))
            yield Running(contender, direct, workerd_at(direct), store)
    finally:
        server.stop()


def put_in_place(main: str, folder: Path, config: dict[str, Any]) -> None:
    """Have a Worker of `contenders/` run in place of this dispatcher."""
    inside = folder / "bench_contender"
    inside.mkdir()
    source = CONTENDERS / main
    shutil.copy(source, inside)
    config["main"] = f"bench_contender/{source.name}"
    for name in ("assets", "durable_objects", "migrations", "ratelimits", "rules"):
        config.pop(name, None)
    flags = config["compatibility_flags"] if source.suffix == ".py" else []
    # Only (b) is a function; the others are as a new project is.
    of_functions = source.name == "bare.py"
    config["compatibility_flags"] = [
        flag for flag in flags if of_functions or flag != FUNCTIONS_FLAG
    ]


def _direct_port(ports: set[int]) -> int:
    """Find where workerd itself takes requests; other parts of miniflare do at the others."""
    for port in sorted(ports):
        try:
            answer = httpx.get(f"http://{HOST}:{port}{NOBODY}", timeout=PROBE_SECONDS).json()
        except (httpx.HTTPError, ValueError):
            continue
        if isinstance(answer, dict) and (answer.get("echo") or answer.get("error") == NOT_FOUND):
            return port
    raise RuntimeError(f"workerd answers at none of the ports {sorted(ports)}")
