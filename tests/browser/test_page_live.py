"""The page with real responses of the dispatcher."""

from __future__ import annotations

import json

import httpx
from playwright.sync_api import expect

from dev.launch import Server
from tests.e2e.caller import eventually
from tests.e2e.marketplace import DEMO_TENANTS

from .visit import ROUTE, Visitor, texts


def test_calls_that_were_made_are_on_the_page(visitor: Visitor, dispatcher: Server) -> None:
    with httpx.Client(base_url=dispatcher.url) as client:
        for path in ("feasts/easter?year=2026", "airports/airports?limit=1", "feasts/easter"):
            client.get(f"/t/{path}", headers={"x-agent-id": path})

        def counted() -> bool:
            response = client.get("/api/explore/analytics", params={"window": "today", "top": 100})
            return bool(response.json()["snapshot"]["heroStats"]["calls"] >= 3)

        eventually(counted, "the calls in the page's figures")
    page = visitor.page()
    page.unroute(ROUTE)
    # The day is taken from the snapshot.
    page.clock.resume()
    page.goto(f"{visitor.url}/explore?sort=calls")
    live = len(json.loads(DEMO_TENANTS.read_text(encoding="utf-8"))["tenants"])
    expect(page.locator("#rows tr")).to_have_count(live)
    assert texts(page, "#rows .open")[:2] == ["/t/feasts", "/t/airports"]
    assert texts(page, "#rows .calls") == ["2", "1", *["0"] * (live - 2)]
    assert texts(page, "#hero .value")[0] == "3"
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    for window in ("Week", "Overall"):
        page.get_by_role("link", name=window).click()
        expect(page.locator("#main")).not_to_have_attribute("aria-busy", "true")
        expect(page.locator("#rows tr")).to_have_count(live)
