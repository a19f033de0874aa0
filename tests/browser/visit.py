"""A visit of the page in a browser window, with fake responses of the analytics route."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Route

from . import figures

ROUTE = "**/api/explore/analytics**"
USAGE_ROUTE = "**/api/explore/usage**"
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

Network = Callable[[str], "figures.Response | str | None"]
"""Returns the response for a window or a range: JSON, a text, or `None` for a network error."""


@dataclass
class Visitor:
    """Opens the page at `url`, and records errors and requests to other origins."""

    browser: Browser
    url: str
    network: Network = figures.response
    usage: Network = figures.usage
    requested: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    foreign_requests: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    _contexts: list[BrowserContext] = field(default_factory=list)

    def open(self, query: str = "", *, waits_for: str = "#rows tr", **settings: Any) -> Page:
        """Open `/explore` with a query, and wait until a selector is visible."""
        page = self.page(**settings)
        page.goto(f"{self.url}/explore{query}")
        page.wait_for_selector(waits_for)
        return page

    def page(self, **settings: Any) -> Page:
        """Open a window whose clock stops at the time of the fake responses."""
        context = self.browser.new_context(
            **{
                "viewport": WIDE,
                "reduced_motion": "reduce",
                "locale": "en-GB",
                "timezone_id": "America/New_York",
                **settings,
            }
        )
        context.set_default_timeout(10_000)
        self._contexts.append(context)
        page = context.new_page()
        page.clock.install(time=figures.NOW)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._request)
        page.route(ROUTE, self._respond)
        page.route(USAGE_ROUTE, self._respond_with_usage)
        return page

    def leave(self) -> None:
        """Close every window."""
        for context in self._contexts:
            context.close()
        self._contexts.clear()

    def _respond(self, route: Route) -> None:
        query = query_of(route.request.url)
        window = query.get("window") or query["range"]
        self.requested.append(window)
        response = self.network(window)
        if isinstance(response, dict) and isinstance(response["snapshot"]["allApis"], list):
            snapshot = response["snapshot"]
            rows = snapshot["allApis"][: int(query["limit"])]
            response = {**response, "snapshot": {**snapshot, "allApis": rows}}
        _fulfill(route, response)

    def _respond_with_usage(self, route: Route) -> None:
        _fulfill(route, self.usage(query_of(route.request.url)["range"]))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(
            text in message.text for text in self.expected
        ):
            self.errors.append(message.text)

    def _request(self, request: Request) -> None:
        if not request.url.startswith(self.url + "/"):
            self.foreign_requests.append(request.url)


def _fulfill(route: Route, response: figures.Response | str | None) -> None:
    if response is None:
        route.abort()
    elif isinstance(response, str):
        route.fulfill(body=response, content_type="text/html")
    else:
        route.fulfill(json=response)


def texts(page: Page, selector: str) -> list[str]:
    """Return the texts of all elements that match a selector."""
    return [text.strip() for text in page.locator(selector).all_inner_texts()]


def expect_query(page: Page, expected: dict[str, str]) -> None:
    """Wait until the query of the page's address is `expected`."""
    page.wait_for_url(lambda url: query_of(url) == expected)


def query_of(url: str) -> dict[str, str]:
    """Return the query of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
