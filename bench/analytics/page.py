"""Measures how soon the page at `/explore` is painted and usable, in local Chromium."""

from __future__ import annotations

import gzip
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from playwright.sync_api import Browser

from core.ports import Json
from dev.browser import running_browser
from dev.launch import running_dispatcher
from dev.layout import HERE

APIS = 300
SLOWDOWN = 4
"""Factor by which the browser's processor is throttled."""

VISITS = 9
_SETTLE_SECONDS = 20.0
_SCRIPT = 'export default { fetch() { return new Response("ok"); } };'
_EDGE_LEVEL = 6
"""The default level of gzip, similar to edge servers."""

_MARK_FIRST_ROW = """
new MutationObserver((_, observer) => {
  if (document.querySelector("#rows tr")) {
    observer.disconnect();
    // After the paint that shows it, when the page is interactive again.
    requestAnimationFrame(() => setTimeout(() => performance.mark("usable")));
  }
}).observe(document, {childList: true, subtree: true});
"""

_READ_PAINTS = """
new Promise(resolve => new PerformanceObserver(marks => {
  const usable = marks.getEntriesByName("usable")[0].startTime;
  new PerformanceObserver(paints => resolve({paint: paints.getEntries().at(-1).startTime, usable}))
    .observe({type: "largest-contentful-paint", buffered: true});
}).observe({type: "mark", buffered: true}))
"""


@dataclass(frozen=True, slots=True)
class PageFigures:
    """First visits of the page: median times in ms from the start of the navigation.

    `paint_ms` is the largest contentful paint, `usable_ms` the time when the list of APIs is
    shown and the page is interactive; sizes are compressed with gzip.
    """

    apis: int
    slowdown: int
    visits: int
    paint_ms: float
    usable_ms: float
    slowest_usable_ms: float
    files_kb: float
    answer_kb: float

    def as_json(self) -> Json:
        """Return all fields by name."""
        return asdict(self)


def measure(say: Callable[[str], None]) -> PageFigures:
    """Visit the page of a dispatcher with hundreds of APIs, each time with an empty cache."""
    with TemporaryDirectory() as folder:
        scripts = Path(folder) / "scripts"
        scripts.mkdir()
        (scripts / "ok.js").write_text(_SCRIPT)
        tenants = [
            {
                "slug": f"api-{number}",
                "tenantId": f"ten-{number}",
                "workerName": "ok",
                "owner": f"@owner-{number % 40}",
                "directory": f"Category {number % 12}",
            }
            for number in range(APIS)
        ]
        say(f"page: calling {APIS} APIs")
        with running_dispatcher(
            state=Path(folder) / "state",
            tenants=json.dumps({"tenants": tenants}),
            namespace=scripts,
        ) as server:
            response = _fill(server.url)
            say(f"page: {VISITS} first visits, processor {SLOWDOWN} times slower")
            with running_browser() as browser:
                _visit(browser, server.url)  # Warms the disk cache.
                visits = [_visit(browser, server.url) for _ in range(VISITS)]
    return PageFigures(
        APIS,
        SLOWDOWN,
        VISITS,
        statistics.median(paint for paint, _ in visits),
        statistics.median(usable for _, usable in visits),
        max(usable for _, usable in visits),
        sum(map(_compressed, _files())) / 1_000,
        _compressed(response) / 1_000,
    )


def _fill(url: str) -> bytes:
    """Call every API, and return the page's data once it contains all of them."""
    with httpx.Client(base_url=url, timeout=30) as client:
        for number in range(APIS):
            client.get(f"/t/api-{number}/").raise_for_status()
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            response = client.get("/api/explore/analytics", params={"window": "today", "top": 100})
            if len(response.json()["snapshot"]["allApis"]) == APIS:
                return response.content
            if time.monotonic() > deadline:
                raise RuntimeError("the page's data lacks called APIs")
            time.sleep(0.5)


def _visit(browser: Browser, url: str) -> tuple[float, float]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        page = context.new_page()
        page.add_init_script(_MARK_FIRST_ROW)
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
        page.goto(f"{url}/explore")
        page.wait_for_selector("#rows tr")
        times = page.evaluate(_READ_PAINTS)
        return float(times["paint"]), float(times["usable"])
    finally:
        context.close()


def _files() -> list[bytes]:
    """Return all files of a first visit; ranking.html is a separate page."""
    folder = HERE.root / "public" / "explore"
    return [file.read_bytes() for file in folder.iterdir() if file.name != "ranking.html"]


def _compressed(content: bytes) -> int:
    return len(gzip.compress(content, _EDGE_LEVEL))
