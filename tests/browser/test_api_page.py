"""The page of one API, with real responses: its use, code to copy, and requests to try it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from dev.launch import Server

from .test_page_live import get, open_live
from .visit import PHONE, Visitor, texts


def open_try(visitor: Visitor, slug: str) -> tuple[Page, str]:
    page = open_live(visitor, f"/explore/{slug}")
    expect(page.locator(".try")).to_be_visible()
    return page, ".try"


def send(page: Page) -> str:
    page.get_by_role("button", name="Send request").click()
    expect(page.locator(".result p").first).not_to_contain_text("Waiting")
    return page.locator(".result").inner_text()


@pytest.mark.parametrize("name", ["24h", "7d", "30d", "90d"])
def test_each_range_shows_the_sums_of_the_real_route(
    visitor: Visitor, dispatcher: Server, name: str
) -> None:
    page = open_live(visitor, f"/explore/exchange?range={name}")
    use = page.locator("#use")
    expect(use.locator(".days span")).to_have_count(90)
    real = get(dispatcher, f"/api/explore/usage?api=exchange&range={name}")
    assert texts(page, ".figures .value")[0] == f"{real['totals']['calls']:,}"
    expect(use.locator("[aria-current=page]")).to_have_attribute("data-range", name)
    assert texts(page, ".pairs dd") == ["0", f"{real['callers']['others']:,}"]
    expect(use).to_contain_text("No payment was settled lately.")


def test_a_range_is_chosen_and_back_returns(visitor: Visitor) -> None:
    page = open_live(visitor, "/explore/exchange")
    page.locator("#use").get_by_text("30 days", exact=True).click()
    page.wait_for_url(f"{visitor.url}/explore/exchange?range=30d")
    expect(page.locator(".figures")).to_contain_text("Calls")
    page.go_back()
    expect(page.locator("#use [aria-current=page]")).to_have_text("7 days")


def test_charts_are_read_with_keys(visitor: Visitor) -> None:
    page = open_live(visitor, "/explore/exchange?range=30d")
    expect(page.locator("#use .days span")).to_have_count(90)
    chart = page.locator(".small-chart.calls .chart")
    chart.focus()
    page.keyboard.press("End")
    expect(page.locator(".small-chart.calls .readout")).to_contain_text("so far:")


def test_payments_link_to_the_explorer_of_their_chain(visitor: Visitor) -> None:
    page = visitor.page()
    page.goto(f"{visitor.url}/explore/exchange")
    link = page.locator(".payments-part a").first
    expect(link).to_have_attribute("href", re.compile(r"^https://sepolia\.basescan\.org/tx/0x"))
    expect(link).to_have_attribute("rel", "noreferrer nofollow")


def test_without_analytics_the_rest_of_the_page_works(visitor: Visitor) -> None:
    visitor.usage = lambda _range: {"ok": False, "error": "upstream_unreachable"}
    page = visitor.page()
    page.goto(f"{visitor.url}/explore/exchange")
    expect(page.locator("#use .notice")).to_contain_text("upstream_unreachable")
    visitor.usage = type(visitor).usage
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#use .days span")).to_have_count(90)


def test_languages_are_tabs_and_their_code_is_copied(visitor: Visitor) -> None:
    page = open_live(visitor, "/explore/companies")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    curl = page.get_by_role("tab", name="curl").first
    curl.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Python").first).to_have_attribute("aria-selected", "true")
    panel = page.get_by_role("tabpanel", name="Python").first
    panel.get_by_role("button").click()
    expect(panel.get_by_role("status")).to_have_text("Copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    address = f"{visitor.url}/t/companies/search?name=acme+%26+co"
    assert f'requests.request("GET", "{address}")' in copied
    page.evaluate("delete Navigator.prototype.clipboard")
    panel.get_by_role("button").click()
    expect(panel.get_by_role("status")).to_have_text("Selected; copy it with your keyboard.")
    assert address in page.evaluate("getSelection().toString()")


def test_only_free_operations_have_a_form(visitor: Visitor) -> None:
    page = open_live(visitor, "/explore/companies")
    expect(page.locator(".try")).to_have_count(1)
    expect(page.locator(".operation", has_text="/search").locator(".try")).to_have_count(1)


def test_a_free_route_is_tried_with_its_parameters(visitor: Visitor) -> None:
    page, form = open_try(visitor, "companies")
    page.locator(f"{form} input").fill("müller & <sons>")
    shown = send(page)
    assert shown.startswith("200 OK · ")
    assert "/search?name=m%C3%BCller+%26+%3Csons%3E" in shown
    assert page.locator(".result script, .result b").count() == 0


def test_a_path_outside_of_the_api_is_not_requested(visitor: Visitor) -> None:
    page, form = open_try(visitor, "mirror")
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    for path in ("/../../__platform/analytics", "/%2e%2e/feasts", "/..\\..\\health"):
        page.locator(f"{form} input").fill(path)
        page.get_by_role("button", name="Send request").click()
        expect(page.locator(".result")).to_have_text("The path must stay below /t/mirror/.")
    assert [url for url in requested if "/api/explore/" not in url] == []


def test_trying_an_api_sets_and_sends_no_cookies(visitor: Visitor) -> None:
    visitor.expected = ("401",)
    page, form = open_try(visitor, "passport")
    page.context.add_cookies([{"name": "own", "value": "1", "url": visitor.url}])
    sent: list[dict[str, str]] = []
    page.on("request", lambda request: sent.append(request.all_headers()))
    page.locator(f"{form} input").fill("/login?user=ada")
    send(page)
    assert sent
    assert not any("cookie" in headers for headers in sent)
    assert [cookie.get("name") for cookie in page.context.cookies()] == ["own"]


def test_a_failure_of_the_api_is_shown(visitor: Visitor) -> None:
    visitor.expected = ("400",)
    page, form = open_try(visitor, "feasts")
    page.locator(f"{form} input").fill("/easter?year=never")
    shown = send(page)
    assert re.match(r"4\d\d ", shown)
    expect(page.locator(".result .failed")).to_be_visible()


def test_the_page_can_be_read_without_scripts(visitor: Visitor) -> None:
    page = visitor.page(java_script_enabled=False)
    page.goto(f"{visitor.url}/explore/companies")
    expect(page.get_by_role("heading", level=1)).to_have_text("Company data")
    expect(page.locator(".operation").first).to_contain_text("curl -gi")
    expect(page.locator(".prices")).to_contain_text("$0.50")
    expect(page.locator("#use")).to_be_hidden()


def test_a_link_to_an_api_that_is_gone_says_so(visitor: Visitor) -> None:
    visitor.expected = ("404",)
    page = open_live(visitor, "/explore/gone")
    expect(page.get_by_role("heading", level=1)).to_have_text("This API was withdrawn")
    expect(page.get_by_text("It was called once before")).to_be_visible()
    page.goto(f"{visitor.url}/explore/never-there")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such API")
    page.get_by_role("link", name="See all APIs").click()
    page.wait_for_url(f"{visitor.url}/explore")


def test_no_width_scrolls_sideways(visitor: Visitor) -> None:
    page = visitor.page(viewport=PHONE)
    page.goto(f"{visitor.url}/explore/companies")
    expect(page.locator("#use .days span")).to_have_count(90)
    for width in (320, 390, 640, 820, 1024, 1440, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width
