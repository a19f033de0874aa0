"""Runs the real Worker with a clock that each request sets."""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Self

import httpx

from dev.launch import Server
from dev.launch.config import development_config, load_production_config
from dev.launch.options import LaunchOptions
from dev.launch.run_folder import RunFolder, copy_sources
from dev.launch.start import plugin_folder, start_in
from dev.layout import HERE
from tests.support.prepared_start import prepare

INSIDE = Path(__file__).with_name("inside")
PRICED = {
    "FACILITATOR_URL": "http://localhost:9",
    "X402_NETWORK": "eip155:84532",
    "X402_ASSET": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
    "X402_ASSET_NAME": "USDC",
    "X402_ASSET_VERSION": "2",
    "PAY_TO_ADDRESS": "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
}
"""Settings that priced APIs need; no payment is made."""

ARRIVES = "x-replay-arrives-ms"
TAKES = "x-replay-takes-ms"


@contextmanager
def replaying_worker(
    state: Path, namespace: Path, tenants: Mapping[str, Any], token: str
) -> Iterator[Server]:
    """Run the Worker; with the same `state` it has the data of an earlier run."""
    state.mkdir(parents=True, exist_ok=True)
    options = LaunchOptions(
        port=0,
        state=state.absolute(),
        namespace=namespace.absolute(),
        tenant_directory=json.dumps(tenants),
        variables={"PLATFORM_ANALYTICS_TOKEN": token, **PRICED},
        prepared=_prepared(),
    )
    with _running(options) as server:
        yield server


@cache
def _prepared() -> Path:
    """Return the folder of the prepared start of the Worker with that clock."""

    def start(state: Path, fresh: Path) -> AbstractContextManager[Server]:
        scripts = state / "scripts"
        scripts.mkdir()
        return _running(LaunchOptions(port=0, state=state, namespace=scripts, prepared=fresh))

    return prepare("replay", sorted(INSIDE.glob("*.py")), start)


@contextmanager
def _running(options: LaunchOptions) -> Iterator[Server]:
    folder = RunFolder(HERE)
    inside = folder.path / "replay_inside"
    copy_sources(HERE.root / "src", inside)
    copy_sources(INSIDE, inside)
    config = development_config(
        load_production_config(HERE.wrangler_toml), options, plugin_folder(HERE)
    )
    config["main"] = f"{inside.name}/replay_entry.py"
    server = start_in(HERE, folder, config, options)
    try:
        yield server.wait_until_ready()
    finally:
        server.stop()


class Replay:
    """A client that chooses the time at the Worker for each request."""

    def __init__(self, server: Server, token: str) -> None:
        self.token = token
        self.client = httpx.Client(base_url=server.url, timeout=120)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def request(
        self,
        target: str,
        at_ms: int,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        takes_ms: int = 0,
    ) -> httpx.Response:
        """Send a request that arrives at `at_ms` and takes `takes_ms`."""
        times = {ARRIVES: str(at_ms), TAKES: str(takes_ms)}
        return self.client.request(method, target, headers={**times, **(headers or {})})

    def platform(self, route: str, at_ms: int, method: str = "GET") -> dict[str, Any]:
        """Return the JSON of `/__platform/ROUTE`, requested with the token."""
        headers = {"authorization": f"Bearer {self.token}"}
        response = self.request(f"/__platform/{route}", at_ms, method=method, headers=headers)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    def snapshot(self, window: str, at_ms: int) -> dict[str, Any]:
        """Return a window's snapshot at `at_ms`."""
        route = f"analytics?window={window}&top=100"
        snapshot: dict[str, Any] = self.platform(route, at_ms)["snapshot"]
        return snapshot

    def log(self, at_ms: int) -> dict[str, Any]:
        """Return what health reports about the log."""
        log: dict[str, Any] = self.platform("health", at_ms)["log"]
        return log
