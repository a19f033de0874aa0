"""The controls of the page, with pointer and keyboard, and the address that stores the view."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from . import figures
from .visit import PHONE, Visitor, expect_query, query_of, texts


def endpoints(page: Page) -> list[str]:
    return texts(page, "#rows .open")


def test_a_window_is_chosen_and_back_returns_to_the_previous_one(visitor: Visitor) -> None:
    page = visitor.open()
    page.get_by_role("link", name="Overall").click()
    expect(page.locator("#hero .value").first).to_have_text("8.67M")
    expect_query(page, {"window": "overall"})
    expect(page.locator("[aria-current=page]")).to_have_text("Overall")
    page.go_back()
    expect(page.locator("#hero .value").first).to_have_text("144,438")
    expect_query(page, {})
    page.go_forward()
    expect(page.locator("#hero .value").first).to_have_text("8.67M")


def test_search_finds_endpoint_owner_and_category_word_by_word(visitor: Visitor) -> None:
    page = visitor.open()
    for text, found in [
        ("postal", {"/t/postal-codes", "/t/postal-codes-2"}),
        ("QUIET-river maps", {"/t/elevation", "/t/elevation-2"}),
        ("northbank language", {"/t/translate", "/t/translate-2"}),
    ]:
        page.get_by_role("searchbox").fill(text)
        page.clock.run_for(300)
        expect(page.locator("#count")).to_contain_text("match")
        assert found & set(endpoints(page))
        assert all(any(part in name for name in found) for part in {next(iter(found))})
    expect_query(page, {"q": "northbank language"})


def test_a_search_without_a_match_can_be_cleared(visitor: Visitor) -> None:
    page = visitor.open("?q=nowhere&category=Data", waits_for="#nothing button")
    expect(page.locator("#count")).to_have_text("0 matches of 40 APIs")
    page.get_by_role("button", name="Show all APIs").click()
    expect(page.locator("#rows tr")).to_have_count(25)
    expect(page.get_by_role("searchbox")).to_be_focused()
    expect_query(page, {})


def test_a_category_is_chosen_by_card_or_by_list(visitor: Visitor) -> None:
    page = visitor.open()
    card = page.get_by_role("button", name="Media")
    card.click()
    expect(card).to_have_attribute("aria-pressed", "true")
    assert set(texts(page, "#rows .category-cell")) == {"Media"}
    expect_query(page, {"category": "Media"})
    expect(page.locator("#category")).to_have_value("Media")
    card.click()
    expect(page.locator("#count")).to_have_text("40 APIs")
    page.locator("#category").select_option("Search")
    assert set(texts(page, "#rows .category-cell")) == {"Search"}
    # The chosen category has a card, even if it is a small one.
    expect(page.get_by_role("button", name="Search")).to_be_visible()


@pytest.mark.parametrize(
    ("header", "key", "cell", "first"),
    [
        ("Calls", "calls", ".calls", "48,000"),
        ("Revenue", "revenue", ".revenue", "$446.40"),
        ("Price", "price", ".price", "Free"),
        ("Callers", "callers", ".callers", "800"),
        ("API", "endpoint", ".open", "/t/airports"),
    ],
)
def test_columns_sort_in_the_useful_order_first_and_then_reversed(
    visitor: Visitor, header: str, key: str, cell: str, first: str
) -> None:
    page = visitor.open(viewport={"width": 1440, "height": 900})
    button = page.locator("thead").get_by_role("button", name=header, exact=True)
    button.click()
    assert texts(page, f"#rows {cell}")[0] == first
    before = page.locator("thead [aria-sort]").get_attribute("aria-sort")
    button.click()
    assert texts(page, f"#rows {cell}")[0] != first
    sorted_column = page.locator("thead [aria-sort]")
    expect(sorted_column).not_to_have_attribute("aria-sort", str(before))
    page.wait_for_url(lambda url: query_of(url).get("sort") == key)
    page.go_back()
    expect(page.locator(f"#rows {cell}").first).to_contain_text(first)


def test_every_order_is_available_on_a_phone(visitor: Visitor) -> None:
    page = visitor.open(viewport=PHONE)
    page.locator("#sort").select_option("latency")
    expect_query(page, {"sort": "latency"})
    page.locator("#direction").click()
    expect_query(page, {"sort": "latency", "order": "desc"})
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0


def test_a_shared_address_shows_the_same_view(visitor: Visitor) -> None:
    page = visitor.open("?window=week&q=northbank&sort=calls&order=asc&rows=75")
    expect(page.get_by_role("searchbox")).to_have_value("northbank")
    expect(page.locator("#sort")).to_have_value("calls")
    assert visitor.requested == ["week"]
    calls = [int(text.replace(",", "")) for text in texts(page, "#rows .calls")]
    assert calls == sorted(calls)
    assert len(calls) == 8


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
    expect(page.locator("#rows tr").nth(25).locator("a")).to_be_focused()


def test_a_row_opens_its_detail_and_back_closes_it(visitor: Visitor) -> None:
    page = visitor.open()
    page.locator("#rows tr").nth(2).click()
    dialog = page.get_by_role("dialog", name="/t/thumbnails")
    expect(dialog).to_be_visible()
    expect_query(page, {"api": "ten_thumbnails:thumbnails"})
    page.go_back()
    expect(dialog).to_be_hidden()
    page.go_forward()
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("link", name="/t/thumbnails", exact=True)).to_be_focused()
    page.wait_for_url(f"{visitor.url}/explore")


def test_an_address_with_a_detail_opens_it_and_closing_stays_on_the_page(visitor: Visitor) -> None:
    page = visitor.open("?window=week&api=ten_airports:airports", waits_for="#detail[open]")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#detail")).to_be_hidden()
    expect_query(page, {"window": "week"})


def test_a_detail_of_an_unknown_api_is_reported(visitor: Visitor) -> None:
    page = visitor.open("?api=ten_gone:gone", waits_for="#detail[open]")
    expect(page.locator("#detail")).to_contain_text("Not called in this period")


def test_the_call_examples_are_copied(visitor: Visitor) -> None:
    page = visitor.open("?api=ten_exchange:exchange", waits_for="#detail[open]")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy curl").click()
    expect(page.locator("#detail [role=status]").first).to_have_text("curl copied.")
    assert page.evaluate("navigator.clipboard.readText()") == f"curl -i '{visitor.url}/t/exchange/'"
    page.get_by_role("button", name="Copy x402").click()
    expect(page.get_by_text("x402 copied.")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "wrapFetchWithPayment(fetch, client)" in copied
    assert f'fetchAndPay("{visitor.url}/t/exchange/")' in copied


def test_without_a_clipboard_the_text_is_selected(visitor: Visitor) -> None:
    page = visitor.open("?api=ten_exchange:exchange", waits_for="#detail[open]")
    page.evaluate("delete Navigator.prototype.clipboard")
    page.get_by_role("button", name="Copy curl").click()
    expect(page.get_by_text("Selected; copy it with your keyboard.")).to_be_visible()
    assert page.evaluate("getSelection().toString()") == f"curl -i '{visitor.url}/t/exchange/'"


def test_a_free_api_is_called_without_a_payment(visitor: Visitor) -> None:
    page = visitor.open("?api=ten_checksum:checksum", waits_for="#detail[open]")
    expect(page.locator("#detail .snippet")).to_have_count(1)
    expect(page.locator("#detail")).to_contain_text("It is free")


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
    for _ in range(28):
        page.keyboard.press("Tab")
        walked.append(
            page.evaluate(
                "(() => { const e = document.activeElement;"
                " return e.getAttribute('aria-label') ?? e.innerText.split('\\n')[0] ?? e.id; })()"
            )
        )
    assert walked[0] == "Skip to the list of APIs"
    assert walked[1:6] == ["clawr, explore", "Today", "Week", "Overall", "Use dark colours"]
    assert walked[6].startswith("Calls and revenue by hour.")
    assert walked[7] == "Show as a table"
    assert walked[8:13] == ["Finance", "Data", "Media", "Developer tools", "Weather"]
    assert "/t/exchange" in walked
    page.keyboard.press("Enter")
    expect(page.locator("#detail")).to_be_visible()


def test_a_slash_goes_to_the_search_and_enter_searches_at_once(visitor: Visitor) -> None:
    page = visitor.open()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("tides")
    page.keyboard.press("Enter")
    assert endpoints(page) == ["/t/tides", "/t/tides-2"]


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
