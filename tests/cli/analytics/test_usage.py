"""`clawr usage` shows any range as a table, CSV or JSON."""

import csv
import io
import json
from datetime import UTC, datetime

from .conftest import CALLS, Market

TODAY = f"{datetime.now(UTC):%Y-%m-%d}"
CALLED = len(CALLS) - 1


def test_the_totals_are_those_of_the_window(market: Market) -> None:
    ran = market.run("usage", "--from", TODAY, "--json")
    document = json.loads(ran.out)
    shown = json.loads(market.run("analytics", "--json").out)["snapshot"]["heroStats"]
    assert (ran.code, document["totals"]["calls"]) == (0, shown["calls"])
    assert document["totals"]["calls"] >= CALLED


def test_a_table_has_a_row_for_each_api_and_the_total(market: Market) -> None:
    ran = market.run("usage", "--from", TODAY, "--by", "month", "--group-by", "api")
    assert ran.code == 0
    assert "ten_meridian_feasts:feasts" in ran.out
    assert ran.out.splitlines()[-1].split()[0] == "total"


def test_csv_is_printed_as_the_dispatcher_sends_it(market: Market) -> None:
    ran = market.run("usage", "--from", TODAY, "--group-by", "api", "--csv")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert sum(int(row["calls"]) for row in rows) >= CALLED
    assert {row["api"] for row in rows} >= {"feasts", "airports"}


def test_an_invalid_range_is_explained(market: Market) -> None:
    for output in ("--csv", "--json"):
        ran = market.run("usage", "--from", "2025-01-01", "--to", "2026-11-01", output)
        assert ran.code == 2
        assert "at most 400 days" in ran.out + ran.err
    ran = market.run("usage", "--from", TODAY, "--group-by", "caller")
    assert "given with groupBy=caller" in ran.err
    assert "cannot be used together" in market.run("usage", "--from", "x", "--csv", "--json").out
