"""The controls of the page, with pointer and keyboard, and the address that stores the view."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from . import figures
from .visit import PHONE, Visitor, expect_query, texts


def test_a_window_is_chosen_and_back_returns_to_the_previous_one(visitor: Visitor) -> None:
    page = visitor.open()
    page.get_by_role("link", name="All", exact=True).click()
    expect(page.locator("#hero .value").first).to_have_text("8.67M")
    expect_query(page, {"window": "overall"})
    expect(page.locator("[aria-current=page]")).to_have_text("All")
    page.go_back()
    expect(page.locator("#hero .value").first).to_have_text("144,438")
    expect_query(page, {})
    page.go_forward()
    expect(page.locator("#hero .value").first).to_have_text("8.67M")


def test_every_order_is_available_on_a_phone(visitor: Visitor) -> None:
    page = visitor.open(viewport=PHONE)
    page.locator("#sort").select_option("latency")
    expect_query(page, {"sort": "latency"})
    page.locator("#direction").click()
    expect_query(page, {"sort": "latency", "order": "desc"})
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0


def test_a_shared_address_shows_the_same_view(visitor: Visitor) -> None:
    page = visitor.open("?window=week&q=northbank&owner=%40northbank&sort=calls&order=asc&rows=75")
    expect(page.get_by_role("searchbox")).to_have_value("northbank")
    expect(page.locator("#sort")).to_have_value("calls")
    expect(page.locator("#chips")).to_contain_text("Owner: @northbank")
    assert visitor.requested == ["week"]
    expect(page.locator("#rows tr")).to_have_count(40)


@pytest.mark.parametrize("query", ["?window=year&sort=__proto__&rows=-4&order=up", "?rows=1e9&q="])
def test_invalid_parameters_are_ignored(visitor: Visitor, query: str) -> None:
    page = visitor.open(query)
    assert visitor.requested == ["today"]
    expect(page.locator("[aria-sort]")).to_have_count(1)


def test_more_rows_are_shown_on_request(visitor: Visitor) -> None:
    page = visitor.open()
    page.get_by_role("button", name="Show 15 more").click()
    expect(page.locator("#rows tr")).to_have_count(40)
    expect_query(page, {"rows": "75"})
    expect(page.locator("#more")).to_be_hidden()
    expect(page.locator("#rows tr").nth(25).locator("a")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_until_a_choice_is_stored(visitor: Visitor, scheme: str) -> None:
    other = {"light": "dark", "dark": "light"}[scheme]
    page = visitor.open(color_scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    page.get_by_role("button", name=f"Use {other} colours").click()
    chosen = page.evaluate(ground)
    assert chosen != before
    page.reload()
    page.wait_for_selector("#rows tr")
    assert page.evaluate(ground) == chosen
    page.get_by_role("button", name=f"Use {scheme} colours").click()
    assert page.evaluate(ground) == before
    assert page.evaluate("localStorage.getItem('theme')") is None


def test_the_chart_is_read_with_keys_and_pointer(visitor: Visitor) -> None:
    page = visitor.open()
    page.locator("#chart").focus()
    page.keyboard.press("End")
    expect(page.locator("#readout")).to_contain_text("14:00\u201315:00 UTC so far: 6,095 calls")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#readout")).to_contain_text("13:00\u201314:00 UTC: ")
    page.keyboard.press("Escape")
    expect(page.locator("#readout")).to_be_empty()
    page.locator("#chart").hover(position={"x": 80, "y": 100})
    expect(page.locator("#readout")).to_contain_text("00:00\u201301:00 UTC: ")


def test_the_chart_is_also_a_table(visitor: Visitor) -> None:
    page = visitor.open()
    page.get_by_text("Show as a table").click()
    rows = page.locator("#course-table tbody tr")
    expect(rows).to_have_count(15)
    series = figures.response()["snapshot"]["series"]
    assert texts(page, "#course-table tbody td:nth-child(2)") == [
        f"{point['calls']:,}" for point in series
    ]


def test_the_whole_page_can_be_used_with_the_keyboard(visitor: Visitor) -> None:
    page = visitor.open(viewport={"width": 1440, "height": 900})
    walked = []
    for _ in range(40):
        page.keyboard.press("Tab")
        walked.append(
            page.evaluate(
                "(() => { const e = document.activeElement;"
                " return e.getAttribute('aria-label') ?? e.innerText.split('\\n')[0] ?? e.id; })()"
            )
        )
    assert walked[0] == "Skip to the list of APIs"
    periods = ["Today", "Week", "24 h", "7 days", "30 days", "90 days", "All"]
    assert walked[1:10] == ["clawr, explore", *periods, "Use dark colours"]
    assert walked[10].startswith("Calls and revenue by hour.")
    assert walked[11] == "Show as a table"
    assert walked[12:17] == ["Finance", "Data", "Media", "Developer tools", "Weather"]
    assert walked.index("Exchange") + 1 == walked.index("Only APIs of @northbank")


def test_a_slash_goes_to_the_search_and_enter_searches_at_once(visitor: Visitor) -> None:
    page = visitor.open()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("tides")
    page.keyboard.press("Enter")
    expect_query(page, {"q": "tides"})


def test_the_skip_link_goes_to_the_list(visitor: Visitor) -> None:
    page = visitor.open()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#apis")).to_be_focused()


def test_the_ranking_is_explained_behind_its_link(visitor: Visitor) -> None:
    page = visitor.open()
    page.get_by_role("link", name="How the ranking works").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("How APIs are ranked")
    page.get_by_role("link", name="Back to the figures").click()
    expect(page.locator("#rows tr")).to_have_count(25)
