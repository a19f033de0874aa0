"""Chromium, a dispatcher and a visitor for the tests of the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from dev.browser import running_browser
from dev.launch import Server, running_dispatcher
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


@pytest.fixture(scope="package")
def dispatcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A dispatcher with the demo's APIs."""
    with running_dispatcher(
        state=tmp_path_factory.mktemp("state"),
        tenants=DEMO_TENANTS.read_text(encoding="utf-8"),
        namespace=DEMO_NAMESPACE,
        prepared=prepared_start(),
    ) as server:
        yield server


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
