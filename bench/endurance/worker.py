"""Runs the dispatcher with a route that counts live objects in its isolate."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.server import listeners, open_ports, resident_mb
from core.ports import Json
from dev.launch.config import DEVELOPMENT_TOKEN, development_config, load_production_config
from dev.launch.options import HOST, LaunchOptions
from dev.launch.run_folder import RunFolder, copy_sources
from dev.launch.start import plugin_folder, start_in
from dev.layout import HERE

HERE_INSIDE = Path(__file__).parent / "inside"
SCRIPTS = Path(__file__).parent / "namespace"
COUNTS = "/__counts"
APIS = ("echo", "broken")
TIMEOUT_SECONDS = 120.0
# Only the counting route uses `gc`.
EXPOSED_GC = {"MINIFLARE_WORKERD_V8_FLAGS": "--expose-gc"}


@dataclass(frozen=True, slots=True)
class Counts:
    """Live objects and memory of an isolate after garbage collection.

    `references` are JavaScript objects held by Python, `lent` Python objects held by JavaScript
    since the first count, `objects` those of Python's garbage collector.
    """

    references: int
    lent: int
    objects: int
    wasm_mb: float
    resident_mb: float


@dataclass(frozen=True, slots=True)
class RunningDispatcher:
    """A running dispatcher; `port` is that of workerd, `url` that of wrangler."""

    port: int
    pid: int
    url: str
    client: httpx.Client

    def counts(self) -> Counts:
        """Count live objects."""
        found = self.client.get(COUNTS).raise_for_status().json()
        resident = resident_mb(self.pid)
        return Counts(**{**found, "resident_mb": resident})

    def calls(self) -> int:
        """Return the calls of all APIs in its analytics."""
        snapshot = self._platform("analytics?window=overall")["snapshot"]
        return int(snapshot["heroStats"]["calls"])

    def run_cron(self) -> None:
        """Run cron, as Cloudflare does every minute."""
        fired = httpx.get(f"{self.url}/cdn-cgi/local/scheduled", timeout=TIMEOUT_SECONDS)
        fired.raise_for_status()

    def _platform(self, route: str) -> Json:
        headers = {"authorization": f"Bearer {DEVELOPMENT_TOKEN}"}
        response = self.client.get(f"/__platform/{route}", headers=headers)
        return response.raise_for_status().json()


@contextmanager
def running(state: Path) -> Iterator[RunningDispatcher]:
    """Run the dispatcher with an API that responds, one that fails, and one without a script."""
    tenants = [
        {"slug": slug, "tenantId": slug, "workerName": slug, "owner": "@bench", "plan": "pro"}
        for slug in (*APIS, "ghost")
    ]
    directory = json.dumps({"tenants": tenants})
    # A copy, because the clone may change during a long run.
    scripts = shutil.copytree(SCRIPTS, state / "scripts")
    options = LaunchOptions(port=0, state=state, namespace=scripts, tenant_directory=directory)
    folder = RunFolder(HERE)
    inside = folder.path / "counted"
    copy_sources(HERE.root / "src", inside)
    copy_sources(HERE_INSIDE, inside)
    production = load_production_config(HERE.wrangler_toml)
    config = development_config(production, options, plugin_folder(HERE))
    config["main"] = "counted/counted_entry.py"
    known = open_ports()
    server = start_in(HERE, folder, config, options, extra=EXPOSED_GC)
    try:
        server.wait_until_ready()
        new = {port: pid for port, pid in listeners().items() if port not in known | {server.port}}
        port = next(port for port in sorted(new) if _is_worker(port))
        with httpx.Client(base_url=f"http://{HOST}:{port}", timeout=TIMEOUT_SECONDS) as client:
            yield RunningDispatcher(port, new[port], server.url, client)
    finally:
        server.stop()


def _is_worker(port: int) -> bool:
    """Return whether the Worker listens at a port; others are of other parts of miniflare."""
    try:
        return "references" in httpx.get(f"http://{HOST}:{port}{COUNTS}", timeout=5).json()
    except (httpx.HTTPError, ValueError):
        return False
