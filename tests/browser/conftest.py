"""Chromium, a dispatcher with some days of traffic, and a visitor for the tests of the pages."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser

from core import constants
from dev.browser import running_browser
from dev.demo.__main__ import default_token
from dev.history.records import import_record
from dev.history.traffic import Span, make_events
from dev.launch import Server, running_dispatcher
from metering.events import Api
from tenants.records import parse_directory
from tests.e2e.marketplace import DEMO_NAMESPACE, DEMO_TENANTS
from tests.support.prepared_start import prepared_start

from .visit import Visitor


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these tests in one process, because they share a browser and a dispatcher."""
    for item in items:
        if item.nodeid.startswith("tests/browser/"):
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium; it ends with this folder's tests, because it blocks other event loops."""
    with running_browser() as browser:
        yield browser


DESCRIBED = {
    "slug": "companies",
    "tenantId": "ten_acme_companies",
    "workerName": "mirror",
    "owner": "@acme",
    "directory": "Business",
    "title": "Company data",
    "description": "Companies, their funding rounds and investors, from public registers.",
    "tags": ["registers"],
    "priceUsd": "0.02",
    "x402Enabled": True,
    "payTo": "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    "routes": [
        {
            "path": "/search",
            "priceUsd": 0,
            "methods": ["GET"],
            "inputSchema": {"type": "object", "properties": {"name": {"type": "string"}}},
            "example": {"input": {"name": "acme & co"}, "output": {"companies": []}},
        },
        {"path": "/reports", "method": "POST", "priceUsd": "0.5", "methods": ["POST"]},
    ],
}
"""An API of which the record says everything."""

QUIET = {"slug": "quiet", "tenantId": "ten_quiet", "workerName": "mirror", "title": "Quiet"}
"""An API that is never called."""

DAYS = 3


@pytest.fixture(scope="package")
def dispatcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A dispatcher with the demo's APIs, three days of traffic, and one API that was withdrawn."""
    directory = json.loads(DEMO_TENANTS.read_text(encoding="utf-8"))
    directory["tenants"] += [DESCRIBED, QUIET]
    with running_dispatcher(
        state=tmp_path_factory.mktemp("state"),
        tenants=json.dumps(directory),
        namespace=DEMO_NAMESPACE,
        prepared=prepared_start(),
    ) as server:
        _import_traffic(server.url)
        yield server


def _import_traffic(url: str) -> None:
    span = Span(DAYS, int(time.time() * 1000))
    tenants = parse_directory(DEMO_TENANTS.read_text(encoding="utf-8")).by_slug
    events = make_events(
        {slug: tenant.api for slug, tenant in tenants.items()}, frozenset(), span, seed=1
    )
    gone = Api("ten_gone", "gone", "@gone", "Data", 0)
    records = [
        import_record(event)
        for event in [*events, events[-1]._replace(request_id="demo-gone", api=gone)]
    ]
    with httpx.Client(base_url=url, timeout=60) as client:
        for start in range(0, len(records), constants.IMPORT_EVENTS_MAX):
            response = client.post(
                "/__platform/import",
                content=json.dumps(records[start : start + constants.IMPORT_EVENTS_MAX]),
                headers={"authorization": f"Bearer {default_token()}"},
            )
            assert response.status_code == 200, response.text


@pytest.fixture
def visitor(browser: Browser, dispatcher: Server) -> Iterator[Visitor]:
    """A visitor; the test fails if the page had errors or requested other origins."""
    visitor = Visitor(browser, dispatcher.url)
    try:
        yield visitor
        assert visitor.errors == []
        assert visitor.foreign_requests == []
    finally:
        visitor.leave()
