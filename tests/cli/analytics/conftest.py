"""A dispatcher with some traffic, shared by these tests."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx
import pytest

from dev.launch import running_dispatcher
from dev.layout import HERE
from tests.cli.command import Ran, clawr_inside
from tests.support.prepared_start import prepared_start

TOKEN = "marker-token-that-must-not-be-printed"
CALLS = ("feasts/easter?year=2026", "feasts/", "airports/airports?country=CH&limit=1", "unknown/")
PATIENCE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Market:
    """A dispatcher whose APIs were called.

    Args:
        url: Its URL.
    """

    url: str

    @property
    def settings(self) -> Mapping[str, str]:
        """The environment with which commands use it."""
        return {"CLAWR_URL": self.url, "PLATFORM_ANALYTICS_TOKEN": TOKEN}

    def run(self, *arguments: str) -> Ran:
        """Run a command on it."""
        return clawr_inside(*arguments, settings=self.settings)

    def call(self, path: str) -> str:
        """Call an API; return the request's id."""
        response = httpx.get(f"{self.url}/t/{path}", headers={"x-agent-id": "reader"}, timeout=30)
        return response.headers["x-request-id"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that share the dispatcher in one worker."""
    for item in items:
        if item.nodeid.startswith("tests/cli/analytics/"):
            item.add_marker(pytest.mark.xdist_group("cli-analytics"))


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    demo = HERE.root / "dev" / "demo"
    with running_dispatcher(
        state=tmp_path_factory.mktemp("state"),
        tenants=(demo / "tenants.json").read_text(),
        namespace=demo / "namespace",
        prepared=prepared_start(),
        variables={"PLATFORM_ANALYTICS_TOKEN": TOKEN},
    ) as server:
        market = Market(server.url)
        for call in CALLS:
            market.call(call)
        _wait_until_counted(market)
        yield market


def _wait_until_counted(market: Market) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    headers = {"authorization": f"Bearer {TOKEN}"}
    while time.monotonic() < deadline:
        response = httpx.get(f"{market.url}/__platform/analytics?window=today", headers=headers)
        if response.json()["snapshot"]["heroStats"]["calls"] >= len(CALLS) - 1:
            return
        time.sleep(0.1)
    raise TimeoutError("The calls were not counted.")
