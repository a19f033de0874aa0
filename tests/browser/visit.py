"""A visit of the page: a browser's window of its own, and what the network answers in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Route

from . import figures

ROUTE = "**/api/explore/analytics**"
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

Network = Callable[[str], "figures.Answer | str | None"]
"""What the route answers for a window: JSON, a text as it stands, or nothing at all."""


@dataclass
class Visitor:
    """Opens the page at `url`, and notes what went wrong on it and where it asked elsewhere."""

    browser: Browser
    url: str
    network: Network = figures.answer
    asked: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    _contexts: list[BrowserContext] = field(default_factory=list)

    def open(self, query: str = "", *, waits_for: str = "#rows tr", **settings: Any) -> Page:
        """Open `/explore` with a query, and wait for a selector to be seen."""
        page = self.page(**settings)
        page.goto(f"{self.url}/explore{query}")
        page.wait_for_selector(waits_for)
        return page

    def page(self, **settings: Any) -> Page:
        """Make a window whose clock stands at the time of the figures until it is moved."""
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
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("request", self._request)
        page.route(ROUTE, self._answer)
        return page

    def leave(self) -> None:
        """Close every window."""
        for context in self._contexts:
            context.close()
        self._contexts.clear()

    def _answer(self, route: Route) -> None:
        window = parse_qs(urlsplit(route.request.url).query)["window"][0]
        self.asked.append(window)
        answer = self.network(window)
        if answer is None:
            route.abort()
        elif isinstance(answer, str):
            route.fulfill(body=answer, content_type="text/html")
        else:
            route.fulfill(json=answer)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(
            text in message.text for text in self.expected
        ):
            self.troubles.append(message.text)

    def _request(self, request: Request) -> None:
        if not request.url.startswith(self.url + "/"):
            self.strangers.append(request.url)


def texts(page: Page, selector: str) -> list[str]:
    """The texts of all elements that a selector finds."""
    return [text.strip() for text in page.locator(selector).all_inner_texts()]


def query_of(page: Page) -> dict[str, str]:
    """The query of the page's address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}
