"""The page with real responses of the dispatcher."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from dev.launch import Server
from tests.e2e.caller import eventually

from . import figures
from .visit import ROUTE, USAGE_ROUTE, Visitor, expect_query, texts


def open_live(visitor: Visitor, path: str = "/explore") -> Page:
    """Open a page whose figures come from the dispatcher."""
    page = visitor.page(viewport={"width": 1440, "height": 900})
    page.unroute(ROUTE)
    page.unroute(USAGE_ROUTE)
    # The day is taken from the snapshot.
    page.clock.resume()
    page.goto(visitor.url + path)
    return page


def names(page: Page) -> list[str]:
    expect(page.locator("#main")).not_to_have_attribute("aria-busy", "true")
    return texts(page, "#rows .open")


def get(dispatcher: Server, path: str) -> dict[str, Any]:
    """Return a response of the real route."""
    body: dict[str, Any] = httpx.get(dispatcher.url + path).json()
    return body


def same_fields(fake: Any, real: Any, place: str = "") -> None:
    """Fail unless objects in the same places have the same fields; of lists, the first counts."""
    if isinstance(fake, dict) and isinstance(real, dict):
        assert set(fake) == set(real), place
        for name in fake:
            same_fields(fake[name], real[name], f"{place}.{name}")
    elif isinstance(fake, list) and isinstance(real, list) and fake and real:
        same_fields(fake[0], real[0], f"{place}[0]")


@pytest.mark.parametrize("query", ["window=today", "window=week", "range=24h", "range=30d"])
def test_the_fake_figures_have_the_fields_of_real_ones(dispatcher: Server, query: str) -> None:
    real = get(dispatcher, f"/api/explore/analytics?{query}")
    same_fields(figures.response(query.partition("=")[2]), real)


def test_the_fake_use_has_the_fields_of_the_real_one(dispatcher: Server) -> None:
    same_fields(figures.usage(), get(dispatcher, "/api/explore/usage?api=exchange"))


def test_calls_that_were_made_are_on_the_page(visitor: Visitor, dispatcher: Server) -> None:
    def calls() -> int:
        snapshot = get(dispatcher, "/api/explore/analytics?window=today&api=patience")["snapshot"]
        return int(snapshot["allApis"][0]["calls"])

    before = calls()
    for number in range(2):
        httpx.get(f"{dispatcher.url}/t/patience", headers={"x-agent-id": f"agent {number}"})
    eventually(lambda: calls() == before + 2, "the calls in the page's figures")
    page = open_live(visitor, "/explore?q=patience")
    expect(page.locator("#rows .calls")).to_have_text(f"{before + 2:,}")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")


def test_every_live_api_is_listed_called_or_not(visitor: Visitor, dispatcher: Server) -> None:
    page = open_live(visitor, "/explore?window=week")
    assert {"Company data", "Quiet"} <= {*names(page)}
    quiet = page.locator("#rows tr", has_text="Quiet")
    expect(quiet.locator(".calls")).to_have_text("0")
    row = page.locator("#rows tr", has_text="Company data")
    expect(row.locator(".price")).to_have_text("$0.02–$0.50")  # noqa: RUF001
    live = get(dispatcher, "/api/explore/analytics")["snapshot"]["catalog"]["live"]
    assert texts(page, "#hero .value")[3] == str(live)


def test_a_withdrawn_api_is_last_and_has_no_rank(visitor: Visitor) -> None:
    page = open_live(visitor, "/explore?window=week")
    assert names(page)[-1] == "gone"
    expect(page.locator("#rows tr").last.locator(".rank")).to_have_text("\u2013")


@pytest.mark.parametrize(
    ("text", "found"),
    [("funding", "Company data"), ("REGISTERS acme", "Company data"), ("echo websocket", "parley")],
)
def test_the_search_finds_words_of_descriptions_tags_and_owners(
    visitor: Visitor, text: str, found: str
) -> None:
    page = open_live(visitor)
    expect(page.locator("#rows tr").nth(2)).to_be_visible()
    page.get_by_role("searchbox").fill(text)
    expect(page.locator("#count")).to_contain_text("1 match of")
    assert names(page) == [found]
    expect_query(page, {"q": text})


def test_a_search_without_a_match_can_be_cleared(visitor: Visitor) -> None:
    page = open_live(visitor, "/explore?q=nowhere&category=Data")
    expect(page.locator("#count")).to_contain_text("0 matches of")
    page.get_by_role("button", name="Show all APIs").click()
    expect(page.locator("#rows tr").nth(2)).to_be_visible()
    expect(page.get_by_role("searchbox")).to_be_focused()
    expect_query(page, {})


def test_a_category_and_an_owner_limit_the_list_until_they_are_removed(visitor: Visitor) -> None:
    page = open_live(visitor, "/explore?window=week")
    page.locator(".category", has_text="Finance").click()
    expect(page.locator("#count")).to_contain_text("matches of")
    names(page)
    assert set(texts(page, "#rows .category-cell")) == {"Finance"}
    page.locator("#rows .owner").first.click()
    expect_query(page, {"window": "week", "category": "Finance", "owner": "@northbank"})
    names(page)
    assert set(texts(page, "#rows .owner")) == {"@northbank"}
    page.get_by_role("button", name="Remove the filter Category Finance").click()
    expect_query(page, {"window": "week", "owner": "@northbank"})
    page.get_by_role("button", name="Remove the filter Owner @northbank").click()
    expect(page.locator("#chips")).to_be_hidden()
    expect_query(page, {"window": "week"})


@pytest.mark.parametrize("period", ["24h", "7d", "30d", "90d"])
def test_each_range_shows_its_own_sums(visitor: Visitor, dispatcher: Server, period: str) -> None:
    page = open_live(visitor)
    page.locator(f"[data-window='{period}']").click()
    expect_query(page, {"window": period})
    expect(page.locator("#main")).not_to_have_attribute("aria-busy", "true")
    real = get(dispatcher, f"/api/explore/analytics?range={period}")["snapshot"]
    calls = sum(row["calls"] for row in real["allApis"])
    assert real["heroStats"]["calls"] == calls == sum(one["calls"] for one in real["series"])
    assert texts(page, "#hero .value")[0] == f"{calls:,}"
    assert texts(page, "#rows .open")[0] == real["allApis"][0]["endpoint"].rpartition("/")[2]


def test_a_day_of_the_chart_lists_the_apis_of_that_day(
    visitor: Visitor, dispatcher: Server
) -> None:
    page = open_live(visitor, "/explore?window=week")
    names(page)
    page.locator("#chart").focus()
    for key in ("End", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    week = get(dispatcher, "/api/explore/analytics?window=week")["snapshot"]["series"]
    day, calls = week[-2]["startAt"][:10], week[-2]["calls"]
    expect_query(page, {"window": day})
    expect(page.locator("#hero .value").first).to_have_text(f"{calls:,}")
    expect(page.locator("#chips")).to_contain_text("Day:")
    page.get_by_role("button", name="Remove the filter Day").click()
    expect_query(page, {})


@pytest.mark.parametrize(
    ("header", "key", "cell"),
    [("Calls", "calls", ".calls"), ("Callers", "callers", ".callers"), ("API", "title", ".open")],
)
def test_columns_sort_in_the_useful_order_first_and_then_reversed(
    visitor: Visitor, header: str, key: str, cell: str
) -> None:
    page = open_live(visitor, "/explore?window=week&category=Developer+tools")
    button = page.locator("thead").get_by_role("button", name=header, exact=True)

    def values() -> list[Any]:
        names(page)
        found = texts(page, f"#rows {cell}")
        return found if key == "title" else [int(one.replace(",", "")) for one in found]

    button.click()
    expect_query(page, {"window": "week", "category": "Developer tools", "sort": key})
    expect(page.locator("thead [aria-sort]")).to_contain_text(header)
    assert values() == sorted(values(), reverse=key != "title")
    button.click()
    page.wait_for_url(lambda url: "order=" in url)
    assert values() == sorted(values(), reverse=key == "title")


def test_a_row_leads_to_the_page_of_its_api(visitor: Visitor) -> None:
    page = open_live(visitor, "/explore?q=funding")
    page.locator("#rows .open").click()
    page.wait_for_url(f"{visitor.url}/explore/companies")
    expect(page.get_by_role("heading", level=1)).to_have_text("Company data")
    page.go_back()
    expect(page.locator("#count")).to_contain_text("1 match of")


def test_a_day_is_a_utc_day_that_exists(visitor: Visitor) -> None:
    page = open_live(visitor, "/explore?window=2026-02-30")
    names(page)
    expect(page.locator("[aria-current=page]")).to_have_text("Today")
    today = datetime.now(UTC).date().isoformat()
    page.goto(f"{visitor.url}/explore?window={today}")
    names(page)
    expect(page.locator("#hero .value").first).not_to_have_text("\u2013")
