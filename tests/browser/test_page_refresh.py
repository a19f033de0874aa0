"""New figures come by themselves, and never move what is being read."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from . import figures
from .visit import Visitor, texts


def shuffled(window: str) -> figures.Answer:
    """The same APIs a little later: more calls, and the second is first now."""
    answer = figures.answer(window)
    rows = answer["snapshot"]["allApis"]
    for row in rows:
        row["calls"] += 1_000
    rows[0], rows[1] = rows[1], rows[0]
    rows[0]["rank"], rows[1]["rank"] = 1, 2
    return answer


def endpoints(page: Page) -> list[str]:
    return texts(page, "#rows .open")


def test_figures_are_asked_for_every_quarter_of_a_minute(visitor: Visitor) -> None:
    page = visitor.open()
    page.clock.run_for(12_000)
    assert visitor.asked == ["today"]
    for times in (2, 3):
        with page.expect_response("**/api/explore/analytics**"):
            page.clock.run_for(15_000)
        expect(page.locator("#live")).to_have_attribute("data-state", "live")
        assert len(visitor.asked) == times


def test_new_figures_are_written_where_they_stand(visitor: Visitor) -> None:
    page = visitor.open()
    page.locator("#rows tr").nth(4).scroll_into_view_if_needed()
    link = page.get_by_role("link", name="/t/rain-radar", exact=True)
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
    assert endpoints(page)[:2] == ["/t/airports", "/t/exchange"]
    expect(moved).to_be_hidden()


def test_out_of_sight_the_new_order_is_taken_at_once(visitor: Visitor) -> None:
    page = visitor.open(viewport={"width": 900, "height": 300})
    visitor.network = shuffled
    page.clock.run_for(15_000)
    expect(page.locator("#rows .calls").first).to_have_text("21,181")
    assert endpoints(page)[:2] == ["/t/airports", "/t/exchange"]
    expect(page.locator("#moved")).to_be_hidden()


def test_whoever_changes_the_view_gets_the_new_order(visitor: Visitor) -> None:
    page = visitor.open()
    visitor.network = shuffled
    page.locator("#apis").scroll_into_view_if_needed()
    page.clock.run_for(15_000)
    expect(page.locator("#moved")).to_be_visible()
    page.locator("#category").select_option("Data")
    page.locator("#category").select_option("")
    assert endpoints(page)[:2] == ["/t/airports", "/t/exchange"]


def test_an_open_detail_is_kept_up_to_date(visitor: Visitor) -> None:
    page = visitor.open("?api=ten_exchange:exchange", waits_for="#detail[open]")
    page.get_by_role("button", name="Copy curl").focus()
    visitor.network = shuffled
    page.clock.run_for(15_000)
    expect(page.locator("#detail dd").first).to_have_text("49,000")
    expect(page.get_by_role("button", name="Copy curl")).to_be_focused()


def test_what_is_being_typed_is_left_alone(visitor: Visitor) -> None:
    page = visitor.open()
    page.get_by_role("searchbox").fill("ti")
    page.clock.run_for(15_000)
    expect(page.get_by_role("searchbox")).to_have_value("ti")
    expect(page.get_by_role("searchbox")).to_be_focused()


def hide(page: Page, *, hidden: bool) -> None:
    """Put the tab in the background or bring it back, as the browser tells the page."""
    page.evaluate(
        "value => { Object.defineProperty(document, 'hidden', {configurable: true, value});"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


def test_a_tab_in_the_background_asks_for_nothing(visitor: Visitor) -> None:
    page = visitor.open()
    hide(page, hidden=True)
    page.clock.run_for(120_000)
    assert visitor.asked == ["today"]
    with page.expect_response("**/api/explore/analytics**"):
        hide(page, hidden=False)
        page.clock.run_for(1)
    assert visitor.asked == ["today", "today"]


def test_failures_are_followed_by_longer_pauses(visitor: Visitor) -> None:
    page = visitor.open()
    visitor.network = lambda window: figures.failure(window=window)
    page.clock.run_for(15_000)
    expect(page.locator("#retry")).to_be_visible()
    page.clock.run_for(29_000)
    assert len(visitor.asked) == 2
    with page.expect_response("**/api/explore/analytics**"):
        page.clock.run_for(1_500)
    assert len(visitor.asked) == 3
