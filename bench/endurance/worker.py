"""The dispatcher under `wrangler dev` with a route that counts what is alive in its isolate."""

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
from dev.launch.run_folder import RunFolder
from dev.launch.start import plugin_folder, start_in
from dev.layout import HERE

HERE_INSIDE = Path(__file__).parent / "inside"
SCRIPTS = Path(__file__).parent / "namespace"
COUNTS = "/__counts"
APIS = ("echo", "broken")
TIMEOUT_SECONDS = 120.0
# `gc` is for what is counted, never for the dispatcher.
EXPOSED_GC = {"MINIFLARE_WORKERD_V8_FLAGS": "--expose-gc"}


@dataclass(frozen=True, slots=True)
class Counts:
    """What is alive in an isolate when JavaScript and Python have collected their garbage.

    `references` are what Python holds of JavaScript, `lent` what JavaScript holds of Python
    and took since the first count, `objects` what Python's garbage collector knows.
    """

    references: int
    lent: int
    objects: int
    wasm_mb: float
    resident_mb: float


@dataclass(frozen=True, slots=True)
class Endured:
    """A running dispatcher; `port` is where workerd itself takes requests, `url` wrangler's."""

    port: int
    pid: int
    url: str
    client: httpx.Client

    def counts(self) -> Counts:
        """Count what is alive."""
        found = self.client.get(COUNTS).raise_for_status().json()
        resident = resident_mb(self.pid)
        return Counts(**{**found, "resident_mb": resident})

    def calls(self) -> int:
        """Tell how many calls its figures have, of all APIs."""
        snapshot = self._platform("analytics?window=overall")["snapshot"]
        return int(snapshot["heroStats"]["calls"])

    def run_cron(self) -> None:
        """Fire its trigger, as Cloudflare does every minute."""
        fired = httpx.get(f"{self.url}/cdn-cgi/handler/scheduled", timeout=TIMEOUT_SECONDS)
        fired.raise_for_status()

    def _platform(self, route: str) -> Json:
        headers = {"authorization": f"Bearer {DEVELOPMENT_TOKEN}"}
        answer = self.client.get(f"/__platform/{route}", headers=headers)
        return answer.raise_for_status().json()


@contextmanager
def running(state: Path) -> Iterator[Endured]:
    """Run the dispatcher with one API that answers, one that fails, one without a script."""
    tenants = [
        {"slug": slug, "tenantId": slug, "workerName": slug, "owner": "@bench", "plan": "pro"}
        for slug in (*APIS, "ghost")
    ]
    directory = json.dumps({"tenants": tenants})
    # A copy: the clone may change in the course of a long run.
    scripts = shutil.copytree(SCRIPTS, state / "scripts")
    options = LaunchOptions(port=0, state=state, namespace=scripts, tenant_directory=directory)
    folder = RunFolder(HERE)
    inside = folder.path / "counted"
    shutil.copytree(HERE.root / "src", inside)
    shutil.copytree(HERE_INSIDE, inside, dirs_exist_ok=True)
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
            yield Endured(port, new[port], server.url, client)
    finally:
        server.stop()


def _is_worker(port: int) -> bool:
    """Tell whether the Worker answers at a port; other parts of miniflare do at others."""
    try:
        return "references" in httpx.get(f"http://{HOST}:{port}{COUNTS}", timeout=5).json()
    except (httpx.HTTPError, ValueError):
        return False
