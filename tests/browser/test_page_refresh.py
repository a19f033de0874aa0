"""New data is loaded automatically, and never moves the rows that the user reads."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from . import figures
from .visit import Visitor, texts


def shuffled(window: str) -> figures.Response:
    """The same APIs later: more calls, and the second is now first."""
    response = figures.response(window)
    rows = response["snapshot"]["allApis"]
    for row in rows:
        row["calls"] += 1_000
    rows[0], rows[1] = rows[1], rows[0]
    rows[0]["rank"], rows[1]["rank"] = 1, 2
    return response


def endpoints(page: Page) -> list[str]:
    return texts(page, "#rows .open")


def test_data_is_requested_every_15_seconds(visitor: Visitor) -> None:
    page = visitor.open()
    page.clock.run_for(12_000)
    assert visitor.requested == ["today"]
    for times in (2, 3):
        with page.expect_response("**/api/explore/analytics**"):
            page.clock.run_for(15_000)
        expect(page.locator("#live")).to_have_attribute("data-state", "live")
        assert len(visitor.requested) == times


def test_new_data_keeps_the_order_of_visible_rows(visitor: Visitor) -> None:
    page = visitor.open()
    page.locator("#rows tr").nth(4).scroll_into_view_if_needed()
    link = page.get_by_role("link", name="Rain radar", exact=True)
    link.focus()
    before, top = endpoints(page), page.evaluate("scrollY")
    box = link.bounding_box()
    visitor.network = shuffled
    page.clock.run_for(15_000)
    expect(page.locator("#rows .calls").first).to_have_text("49,000")
    assert endpoints(page) == before
    assert page.evaluate("scrollY") == top
    expect(link).to_be_focused()
    moved = page.locator("#moved")
    expect(moved).to_be_visible()
    assert box is not None
    page.get_by_role("button", name="Show the new order").click()
    assert endpoints(page)[:2] == ["Airports", "Exchange"]
    expect(moved).to_be_hidden()


def test_invisible_rows_are_reordered_at_once(visitor: Visitor) -> None:
    page = visitor.open(viewport={"width": 900, "height": 300})
    visitor.network = shuffled
    page.clock.run_for(15_000)
    expect(page.locator("#rows .calls").first).to_have_text("21,181")
    assert endpoints(page)[:2] == ["Airports", "Exchange"]
    expect(page.locator("#moved")).to_be_hidden()


def test_a_changed_view_has_the_new_order(visitor: Visitor) -> None:
    page = visitor.open()
    visitor.network = shuffled
    page.locator("#apis").scroll_into_view_if_needed()
    page.clock.run_for(15_000)
    expect(page.locator("#moved")).to_be_visible()
    card = page.locator(".category", has_text="Data")
    card.click()
    expect(card).to_have_attribute("aria-pressed", "true")
    card.click()
    expect(page.locator("#moved")).to_be_hidden()
    assert endpoints(page)[:2] == ["Airports", "Exchange"]


def test_the_ticker_says_what_was_called_and_paid_since_the_last_figures(visitor: Visitor) -> None:
    page = visitor.open()
    expect(page.locator("#ticker-rest")).to_have_text("Waiting for new calls")

    def later(window: str) -> figures.Response:
        response = figures.response(window, generatedAt="2026-11-22T14:25:15Z")
        snapshot = response["snapshot"]
        for row, calls, paid in zip(snapshot["allApis"], (5, 2, 0), (3, 0, 0), strict=False):
            row["calls"] += calls
            row["revenueMicros"] += paid * row["listedPriceMicros"]
        snapshot["heroStats"]["calls"] += 7
        snapshot["heroStats"]["revenueMicros"] += 30_000
        return response

    visitor.network = later
    page.clock.run_for(15_000)
    expect(page.locator("#ticker-value")).to_have_text("+7")
    expect(page.locator("#ticker-rest")).to_have_text("calls, 3 paid calls ($0.03) in 15 s")
    assert texts(page, "#ticker-apis li") == ["Exchange\n+5", "Airports\n+2"]


def test_typed_text_is_not_overwritten(visitor: Visitor) -> None:
    page = visitor.open()
    page.get_by_role("searchbox").fill("ti")
    page.clock.run_for(15_000)
    expect(page.get_by_role("searchbox")).to_have_value("ti")
    expect(page.get_by_role("searchbox")).to_be_focused()


def hide(page: Page, *, hidden: bool) -> None:
    """Hide or show the tab, as reported by the browser."""
    page.evaluate(
        "value => { Object.defineProperty(document, 'hidden', {configurable: true, value});"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


def test_a_hidden_tab_sends_no_requests(visitor: Visitor) -> None:
    page = visitor.open()
    hide(page, hidden=True)
    page.clock.run_for(120_000)
    assert visitor.requested == ["today"]
    with page.expect_response("**/api/explore/analytics**"):
        hide(page, hidden=False)
        page.clock.run_for(1)
    assert visitor.requested == ["today", "today"]


def test_delays_increase_after_failures(visitor: Visitor) -> None:
    page = visitor.open()
    visitor.network = lambda window: figures.failure(window=window)
    page.clock.run_for(15_000)
    expect(page.locator("#retry")).to_be_visible()
    page.clock.run_for(29_000)
    assert len(visitor.requested) == 2
    with page.expect_response("**/api/explore/analytics**"):
        page.clock.run_for(1_500)
    assert len(visitor.requested) == 3
