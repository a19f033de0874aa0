"""The page with normal, missing, late and invalid data."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect

from . import figures
from .visit import Visitor, texts

UNREACHABLE = "Failed to load resource"


def test_the_totals_are_shown_with_their_change(visitor: Visitor) -> None:
    page = visitor.open()
    assert texts(page, "#hero .value") == ["144,438", "$652.73", "1,591", "40", "8"]
    calls, _, agents, _, directories = texts(page, "#hero .change")
    assert re.sub(r"\s+", " ", calls) == "▲ 14% more than yesterday by now"
    assert re.sub(r"\s+", " ", agents) == "▼ 3.8% less than yesterday by now"
    assert re.sub(r"\s+", " ", directories) == "The same as yesterday by now"
    assert page.locator("#live-text").inner_text() == "Live, up to 14:24 UTC"
    assert page.locator("#period").inner_text() == "22 November 2026, since midnight UTC."


def test_without_a_previous_period_no_change_is_shown(visitor: Visitor) -> None:
    visitor.network = lambda window: figures.response(window, previous=None)
    page = visitor.open()
    assert texts(page, "#hero .change") == [""] * 5


def test_an_empty_previous_period_causes_no_division_by_zero(visitor: Visitor) -> None:
    before = {"heroStats": dict.fromkeys(figures.response()["snapshot"]["heroStats"], 0)}
    visitor.network = lambda window: figures.response(window, previous=before)
    page = visitor.open()
    assert texts(page, "#hero .change")[0].startswith("▲ 144,438 more")


def test_a_row_has_every_value(visitor: Visitor) -> None:
    page = visitor.open(viewport={"width": 1440, "height": 900})
    cells = [text.replace("\n", " ") for text in texts(page, "#rows tr:first-child > *")]
    assert cells == [
        *("1", "/t/exchange @northbank", "Finance", "$0.01", "48,000", "$446.40"),
        *("800", "133 ms", "100%", ""),
    ]
    trend = page.locator("#rows tr:first-child svg").get_attribute("aria-label") or ""
    assert trend.startswith("Calls per hour: ")


def test_the_page_shows_that_it_is_loading(visitor: Visitor) -> None:
    page = visitor.page()
    page.unroute("**/api/explore/analytics**")
    routes: list[Route] = []
    page.route("**/api/explore/analytics**", lambda route: routes.append(route))  # noqa: PLW0108 (a bound method takes no marks)
    page.goto(f"{visitor.url}/explore")
    expect(page.locator("#live-text")).to_have_text("Loading")
    expect(page.locator("#main")).to_have_attribute("aria-busy", "true")
    routes[0].fulfill(json=figures.response())
    expect(page.locator("#rows tr")).to_have_count(25)
    expect(page.locator("#main")).not_to_have_attribute("aria-busy", "true")


def test_a_day_without_calls_has_a_button_for_everything_so_far(visitor: Visitor) -> None:
    visitor.network = lambda window: figures.response(window, apis=0 if window == "today" else 40)
    page = visitor.open(waits_for="#nothing")
    expect(page.locator("#nothing")).to_contain_text("No API has been called today yet.")
    assert texts(page, "#hero .value") == ["0", "$0.00", "0", "0", "0"]
    page.get_by_role("button", name="Show everything so far").click()
    expect(page.locator("#rows tr")).to_have_count(25)


@pytest.mark.parametrize(
    ("freshness", "words"),
    [
        ({"complete": True, "lagSeconds": 1_260}, "counted up to 14:04 UTC, 21 min ago"),
        ({"complete": False, "lagSeconds": 60}, "still missing"),
    ],
)
def test_incomplete_or_late_data_is_reported(
    visitor: Visitor, freshness: dict[str, object], words: str
) -> None:
    known = {"asOf": "2026-11-22T14:04:00Z", **freshness}
    visitor.network = lambda window: figures.response(window, freshness=known)
    page = visitor.open()
    expect(page.locator("#notice")).to_contain_text(words)
    expect(page.locator("#live")).to_have_attribute("data-state", "stale")


def test_after_a_failure_the_last_data_stays(visitor: Visitor) -> None:
    page = visitor.open()
    before = texts(page, "#rows tr")
    visitor.network = lambda window: figures.failure("upstream_http_error", window)
    page.clock.run_for(15_000)
    expect(page.locator("#notice")).to_contain_text("upstream_http_error")
    expect(page.locator("#notice")).to_contain_text("These figures are from 14:25 UTC.")
    assert texts(page, "#rows tr") == before
    assert texts(page, "#hero .value")[0] == "144,438"
    visitor.network = lambda window: figures.response(window, seed=2)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#notice")).to_be_empty()
    expect(page.locator("#live")).to_have_attribute("data-state", "live")


@pytest.mark.parametrize("response", [None, "<h1>Bad gateway</h1>", '{"ok": true, "snap', "[]"])
def test_a_failed_first_request_can_be_retried(visitor: Visitor, response: str | None) -> None:
    visitor.expected = (UNREACHABLE,)
    visitor.network = lambda _window: response
    page = visitor.open(waits_for="#retry")
    expect(page.locator("#notice")).to_contain_text("There are no figures to show yet.")
    assert texts(page, "#hero .value") == ["\u2013"] * 5
    visitor.network = figures.response
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#rows tr")).to_have_count(25)


def test_data_of_another_window_is_removed_after_a_failure(visitor: Visitor) -> None:
    page = visitor.open()
    visitor.network = lambda window: figures.failure(window=window)
    page.get_by_role("link", name="Week").click()
    expect(page.locator("#retry")).to_be_visible()
    assert texts(page, "#hero .value") == ["\u2013"] * 5
    expect(page.locator("#rows tr")).to_have_count(0)


def test_names_are_never_markup(visitor: Visitor) -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    rows = [
        figures.row(f"/t/{hostile}", owner=f"@{hostile}", directory=hostile),
        figures.row("/t/../../evil.example'\"`$(id)", 2, directory="javascript:alert(1)"),
    ]
    directories = [{"directory": hostile, "calls": 3, "revenueMicros": 5, "apis": 1}]
    visitor.network = lambda window: figures.response(window, allApis=rows, directories=directories)
    page = visitor.open()
    expect(page.locator("#rows .open").first).to_have_text(f"/t/{hostile}")
    assert page.locator("#main img").count() == 0
    page.locator("#rows .open").nth(1).click()
    code = page.locator("#detail code").first.inner_text()
    assert code == f"curl -i '{visitor.url}/t/../../evil.example%27%22%60%24(id)/'"


def test_invalid_values_in_a_snapshot_are_ignored(visitor: Visitor) -> None:
    rows = [
        None,
        7,
        {"endpoint": 3},
        {
            "endpoint": "/t/odd",
            "calls": "many",
            "latencyMs": -4,
            "trend": ["x", None],
            "priceUsd": {},
        },
    ]
    visitor.network = lambda window: figures.response(
        window,
        allApis=rows,
        series=[{"startAt": "never"}, None],
        heroStats=None,
        directories="none",
        freshness=[],
        range=3,
        generatedAt=5,
        previous="x",
    )
    page = visitor.open()
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page.locator("#rows .latency")).to_have_text("\u2013")
    assert "NaN" not in page.locator("body").inner_text()
