"""The page with normal, missing, late and invalid data."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from . import figures
from .visit import Visitor, texts

UNREACHABLE = "Failed to load resource"


def test_the_totals_are_shown_with_their_change(visitor: Visitor) -> None:
    page = visitor.open()
    assert texts(page, "#hero .value") == ["144,438", "$652.73", "1,591", "40"]
    calls, _, agents, apis = texts(page, "#hero .change")
    assert re.sub(r"\s+", " ", calls) == "▲ 14% more vs. yesterday until this time"
    assert re.sub(r"\s+", " ", agents) == "▼ 3.8% less vs. yesterday until this time"
    assert apis == ""
    assert page.locator("#live-text").inner_text() == "Live, up to 14:24 UTC"
    assert page.locator("#period").inner_text() == "22 November 2026, since midnight UTC."


def test_without_a_previous_period_no_change_is_shown(visitor: Visitor) -> None:
    visitor.network = lambda window: figures.response(window, previous=None)
    page = visitor.open()
    assert texts(page, "#hero .change") == [""] * 4


@pytest.mark.parametrize(
    ("period", "words"),
    [
        ("week", "vs. the 7 days before"),
        ("24h", "vs. the 24 hours before"),
        ("30d", "vs. the 30 days before"),
        ("2026-11-20", "vs. the day before"),
    ],
)
def test_each_period_says_what_it_is_compared_with(
    visitor: Visitor, period: str, words: str
) -> None:
    page = visitor.open(f"?window={period}")
    assert visitor.requested == [period]
    expect(page.locator("#hero .change").first).to_contain_text(words)


def test_generated_history_is_labelled_as_the_dispatcher_says(visitor: Visitor) -> None:
    page = visitor.open()
    expect(page.locator("#demo")).to_be_hidden()
    known = {"from": "2026-10-24T00:00:00Z", "to": "2026-11-22T09:00:00Z"}
    visitor.network = lambda window: figures.response(window, demoHistory=known)
    page = visitor.open()
    expect(page.locator("#demo")).to_have_text(
        "Demo data: the calls and payments from 24 October 2026 to 22 November 2026 were generated."
        " They are not real traffic."
    )


def test_callers_that_are_not_counted_are_not_shown_as_none(visitor: Visitor) -> None:
    rows = [figures.row(uniqueCallers=None)]
    totals = {**figures.response()["snapshot"]["heroStats"], "activeAgents": None}
    visitor.network = lambda window: figures.response(window, allApis=rows, heroStats=totals)
    page = visitor.open("?window=24h")
    expect(page.locator("#rows .callers")).to_have_text("\u2013")
    expect(page.locator("[data-figure=agents]")).to_be_hidden()


def test_a_withdrawn_api_has_no_rank_and_says_that_it_is_gone(visitor: Visitor) -> None:
    rows = [figures.row(rank=None, withdrawn=True, url="")]
    visitor.network = lambda window: figures.response(window, allApis=rows)
    page = visitor.open()
    expect(page.locator("#rows .rank")).to_have_text("\u2013")
    expect(page.locator("#rows .description")).to_have_text(
        "Withdrawn: it can no longer be called."
    )


def test_an_api_that_was_not_called_has_no_error_rate(visitor: Visitor) -> None:
    rows = [figures.row(calls=0, errorRatePct=0, trend=[])]
    visitor.network = lambda window: figures.response(window, allApis=rows)
    page = visitor.open()
    expect(page.locator("#rows .errors")).to_have_text("\u2013")


def test_an_empty_previous_period_causes_no_division_by_zero(visitor: Visitor) -> None:
    before = {"heroStats": dict.fromkeys(figures.response()["snapshot"]["heroStats"], 0)}
    visitor.network = lambda window: figures.response(window, previous=before)
    page = visitor.open()
    assert texts(page, "#hero .change")[0].startswith("▲ 144,438 more")


def test_a_row_has_every_value(visitor: Visitor) -> None:
    page = visitor.open(viewport={"width": 1440, "height": 900})
    cells = [text.replace("\n", " ") for text in texts(page, "#rows tr:first-child > *")]
    assert cells == [
        "1",
        f"Exchange {figures.DESCRIPTIONS[0]} @northbank /t/exchange",
        *("Finance", "$0.01", "48,000", "$446.40", "800", "133 ms", "0%", ""),
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
    expect(page.locator("#rows tr")).to_have_count(40)
    expect(page.locator("#main")).not_to_have_attribute("aria-busy", "true")


def test_without_a_published_api_the_list_says_how_to_publish_one(visitor: Visitor) -> None:
    visitor.network = lambda window: figures.response(window, apis=0)
    page = visitor.open(waits_for="#nothing")
    expect(page.locator("#nothing")).to_contain_text("No API is published here yet.")
    expect(page.locator("#nothing code")).to_have_text("clawr publish")
    assert texts(page, "#hero .value") == ["0", "$0.00", "0", "0"]


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
    assert texts(page, "#hero .value") == ["\u2013"] * 4
    visitor.network = figures.response
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#rows tr")).to_have_count(25)


def test_data_of_another_window_is_removed_after_a_failure(visitor: Visitor) -> None:
    page = visitor.open()
    visitor.network = lambda window: figures.failure(window=window)
    page.get_by_role("link", name="Week").click()
    expect(page.locator("#retry")).to_be_visible()
    assert texts(page, "#hero .value") == ["\u2013"] * 4
    expect(page.locator("#rows tr")).to_have_count(0)


def test_names_are_never_markup(visitor: Visitor) -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    texts_of_row: dict[str, Any] = {
        "owner": f"@{hostile}",
        "title": hostile,
        "description": hostile,
    }
    rows = [
        figures.row(f"/t/{hostile}", directory=hostile, **texts_of_row),
        figures.row("/t/../../evil.example'\"`$(id)", 2, directory="javascript:alert(1)"),
    ]
    directories = [{"directory": hostile, "calls": 3, "revenueMicros": 5, "apis": 1}]
    visitor.network = lambda window: figures.response(window, allApis=rows, directories=directories)
    page = visitor.open()
    expect(page.locator("#rows .open").first).to_have_text(hostile)
    expect(page.locator("#rows .description").first).to_have_text(hostile)
    assert page.locator("#main img").count() == 0
    addresses = page.locator("#rows .open").evaluate_all(
        "links => links.map(link => link.pathname)"
    )
    assert all(address.startswith("/explore/") for address in addresses)
    assert all(address.count("/") == 2 for address in addresses)


def test_texts_of_any_length_and_direction_stay_in_their_cells(visitor: Visitor) -> None:
    long: dict[str, Any] = {
        "title": "x" * 200,
        "description": "خدمة " * 400,
        "owner": "@" + "w" * 200,
    }
    rows = [figures.row(directory="y" * 200, **long)]
    visitor.network = lambda window: figures.response(window, allApis=rows)
    for width in (390, 1280):
        page = visitor.open(viewport={"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        box = page.locator("#rows tr").bounding_box()
        assert box is not None
        assert box["height"] < 320


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
