"""An estimate has every item of the bill, with sources, and rejects numbers that make no sense."""

import json
import re

import pytest

from cli.costs import prices
from cli.costs.estimate import (
    LEDGER_ROWS_WRITTEN,
    MONTH_SECONDS,
    Estimate,
    Traffic,
    directory_reads,
    estimate,
)
from cli.costs.prices import PRICES, Price
from cli.errors import InputError
from dev.layout import HERE
from tests.cli.command import clawr_inside

COMMAND = ("costs", "--requests-per-second", "20", "--locations", "30")


def quantity(found: Estimate, price: Price) -> float:
    return next(one.quantity for one in found.items if one.price == price)


def test_every_price_has_a_page_and_the_day_on_which_it_was_read() -> None:
    for price in PRICES:
        assert price.source.startswith("https://developers.cloudflare.com/")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", price.read_on)


def test_the_total_is_the_sum_of_the_items_beyond_what_is_included() -> None:
    shown = clawr_inside(*COMMAND, "--json").document
    for one in shown["items"]:
        billed = max(0, one["quantity"] - one["included"])
        expected = billed * one["price"]["dollars"] / one["price"]["per"]
        assert one["dollars"] == pytest.approx(expected, abs=0.001), one
    assert shown["dollars"] == pytest.approx(
        sum(one["dollars"] for one in shown["items"]), abs=0.01
    )
    assert shown["requests"] == 20 * MONTH_SECONDS
    assert shown["dollarsPerMillion"] == pytest.approx(
        shown["dollars"] / shown["requests"] * 1e6, abs=0.001
    )


def test_the_table_has_all_items_the_total_and_the_pages() -> None:
    ran = clawr_inside(*COMMAND)
    assert ran.code == 0, ran.err
    for price in PRICES:
        assert price.item in ran.out
        assert price.source in ran.out
    assert "total" in ran.out
    assert "per million requests" in ran.out


def test_a_paid_request_costs_the_rows_that_the_documentation_states() -> None:
    page = (HERE.root / "docs" / "payments.md").read_text()
    stated = int(re.findall(r"\*\*in total\*\* \| \*\*(\d+):", page)[0])
    assert stated == LEDGER_ROWS_WRITTEN
    found = estimate(Traffic(10, paid_share=0.5))
    assert quantity(found, prices.D1_ROWS_WRITTEN) == 5 * MONTH_SECONDS * stated


def test_requests_to_limited_apis_call_a_counter() -> None:
    free, limited = estimate(Traffic(10)), estimate(Traffic(10, limited_share=0.5))
    more = quantity(limited, prices.OBJECT_REQUESTS) - quantity(free, prices.OBJECT_REQUESTS)
    assert more == pytest.approx(5 * MONTH_SECONDS)


def test_an_isolate_reads_a_record_at_most_once_in_its_cache_time() -> None:
    assert directory_reads(Traffic(1_000, apis=10)) == pytest.approx(11 / 30, rel=0.01)
    # With little traffic for each isolate, nearly every request reads.
    assert directory_reads(Traffic(1, locations=300, apis=1_000)) == pytest.approx(1.9, rel=0.05)


def test_logs_count_calls_of_durable_objects_and_follow_the_sampling_rate() -> None:
    all_of_them, tenth = estimate(Traffic(100)), estimate(Traffic(100, logged_share=0.1))
    invocations = sum(
        quantity(all_of_them, one) for one in (prices.REQUESTS, prices.OBJECT_REQUESTS)
    )
    assert quantity(all_of_them, prices.LOG_EVENTS) >= invocations
    assert quantity(tenth, prices.LOG_EVENTS) == pytest.approx(
        quantity(all_of_them, prices.LOG_EVENTS) / 10
    )


def test_the_sampling_rate_of_the_configuration_is_the_default() -> None:
    assert clawr_inside(*COMMAND, "--json").document["traffic"]["loggedShare"] == 1


def test_more_shards_are_advised_when_one_cannot_accept_the_calls() -> None:
    assert not estimate(Traffic(1_000, locations=30)).notes
    (note,) = estimate(Traffic(5_000, locations=300)).notes
    assert "USAGE_SHARDS" in note
    calls, stored = estimate(Traffic(1_000_000, locations=1_000, shards=1)).notes
    assert "calls a second" in calls
    assert "GB after 400 days" in stored


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "-inf", "1e300", "1000001"])
def test_an_impossible_rate_is_rejected(value: str) -> None:
    ran = clawr_inside("costs", f"--requests-per-second={value}", "--locations=1", "--json")
    assert (ran.code, ran.document["error"]) == (2, "invalid_input")
    (finding,) = ran.document["findings"]
    assert finding["place"] == "--requests-per-second"
    assert "above 0, up to 1,000,000" in finding["message"]


def test_a_word_in_the_place_of_a_number_is_rejected() -> None:
    ran = clawr_inside("costs", "--requests-per-second", "many", "--locations", "1")
    assert ran.code == 2
    assert "'--requests-per-second': Input should be a valid number" in ran.err


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(InputError) as error:
        Traffic(
            10,
            locations=0,
            paid_share=1.5,
            limited_share=-0.1,
            apis=0,
            reads_per_second=float("nan"),
            cpu_ms=0,
            shards=65,
            logged_share=float("inf"),
        )
    assert [one.place for one in error.value.findings] == [
        "--locations",
        "--paid-share",
        "--limited-share",
        "--apis",
        "--reads-per-second",
        "--cpu-ms",
        "--shards",
        "--logged-share",
    ]


def test_the_json_of_the_largest_traffic_is_finite() -> None:
    ran = clawr_inside(
        *("costs", "--requests-per-second", "1000000", "--locations", "1000", "--paid-share", "1"),
        *("--limited-share", "1", "--apis", "1000000", "--shards", "64", "--json"),
    )
    assert ran.code == 0
    assert "Infinity" not in ran.out
    assert "NaN" not in ran.out
    json.loads(ran.out)
