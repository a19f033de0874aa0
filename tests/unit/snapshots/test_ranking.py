"""The trending score, and the order of ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest

from core.calendar import HOUR_MS
from metering.aggregate import Aggregate
from metering.events import Api, UsageEvent
from metering.totals import ApiId
from snapshots.measures import measure
from snapshots.ranking import api_row, shown_owner
from tests.support.builders import event, merged
from tests.support.fakes import NOON_MS
from tests.support.snapshot_builders import shot


def keyed_hash(number: int) -> str:
    """Return a number as evenly distributed as a keyed hash."""
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}"


def trending_score(aggregate: Aggregate) -> float:
    row = api_row(ApiId("t", "api"), measure([aggregate]), [])
    assert row.shown is not None
    score = row.shown["trendingScore"]
    assert isinstance(score, float)
    return score


def test_the_score_is_the_formula() -> None:
    aggregate = Aggregate()
    for one in [event(latency_ms=10, caller="c1"), event(latency_ms=20, caller="c2")]:
        aggregate.add(one)
    expected = 40 * math.log10(3) + 20 * math.log10(3) + 10 - 80 * (0.5 - 0.45) - min(20, 70 * 0.6)
    assert trending_score(aggregate) == round(expected, 2)


@pytest.mark.parametrize(
    ("events", "lost"),
    [
        # 1 caller in 100 calls: 120·(0.18 - 0.01), and the top caller and hour at their caps.
        ([event(caller="c") for _ in range(100)], 20 + 25 + 20),
        # A caller each, all in one hour.
        ([event(caller=f"c{n}", network=keyed_hash(n)) for n in range(100)], 20),
        # A caller each, an hour each, 1,400 ms: only slowness costs.
        (
            [
                event(
                    NOON_MS + n * HOUR_MS, caller=f"c{n}", latency_ms=1_400, network=keyed_hash(n)
                )
                for n in range(10)
            ],
            8,
        ),
    ],
)
def test_artificial_or_slow_traffic_costs_points(events: Sequence[UsageEvent], lost: float) -> None:
    aggregate = Aggregate()
    for one in events:
        aggregate.add(one)
    earned = (
        40 * math.log10(len(events) + 1)
        + 20 * math.log10(aggregate.callers.results().distinct + 1)
        + 10
        - lost
    )
    # The quantile may be 1 % off, which is 14 ms or 0.19 points.
    assert trending_score(aggregate) == pytest.approx(earned, abs=0.2 if lost == 8 else 0.005)


@pytest.mark.parametrize(
    ("networks", "payers", "counted", "lost"),
    [
        # 4 callers in 100 calls: 120·(0.18 - 0.04).
        (1, 0, 4, 16.8),
        (3, 0, 12, 7.2),
        (100, 0, 100, 0),
        (1, 50, 54, 0),
        # Calls without a known network are of one network.
        (0, 0, 4, 16.8),
    ],
)
def test_a_network_adds_at_most_four_callers_that_did_not_pay(
    networks: int, payers: int, counted: int, lost: float
) -> None:
    aggregate = Aggregate()
    for number in range(100):
        # Spread over hours, so that bursts cost nothing.
        aggregate.add(
            event(
                NOON_MS + number * HOUR_MS,
                caller=f"{number:x}",
                network=keyed_hash(number % networks) if networks else "",
                revenue_micros=int(number < payers),
            )
        )
    earned = 40 * math.log10(101) + 20 * math.log10(counted + 1) + 10
    earned += 25 * math.log10(100 * payers / 1_000_000 + 1)
    assert trending_score(aggregate) == pytest.approx(earned - lost, abs=0.005)


def test_callers_that_do_not_count_do_not_hide_a_busy_one() -> None:
    aggregate = Aggregate()
    for number in range(60):
        caller = f"{number:x}" if number < 30 else "a" * 16
        aggregate.add(event(NOON_MS + number * HOUR_MS, caller=caller, network="c" * 16))
    # 4 of 31 callers count; the others have at least 27 of the 60 calls, so it has 30 of 33.
    earned = 40 * math.log10(61) + 20 * math.log10(5) + 10 - 120 * (0.18 - 4 / 60) - 25
    assert trending_score(aggregate) == pytest.approx(earned, abs=0.005)


def test_networks_of_several_parts_are_counted_once() -> None:
    parts = []
    for first in (0, 5):
        part = Aggregate()
        for number in range(first, first + 10):
            for caller in range(10):
                part.add(event(caller=f"{number:x}{caller:x}", network=keyed_hash(number)))
        parts.append(part)
    assert measure(parts) == measure([merged(parts)])


def test_equal_apis_of_two_tenants_rank_by_id() -> None:
    events = [event(api=Api(tenant, "same", "", "", 0)) for tenant in ("b", "a")]
    assert [api["tenantId"] for api in shot(events)["allApis"]] == ["a", "b"]


def ranked(groups: Mapping[str, Sequence[UsageEvent]]) -> Sequence[str]:
    events = [
        one._replace(api=Api("t", slug, "", "", 0))
        for slug, group in groups.items()
        for one in group
    ]
    apis = shot(events)["allApis"]
    assert [api["rank"] for api in apis] == list(range(1, len(apis) + 1))
    return [api["endpoint"].removeprefix("/t/") for api in apis]


def test_a_higher_score_ranks_first() -> None:
    many = [event(caller=f"c{n}") for n in range(50)]
    assert ranked({"a": [event()], "b": many}) == ["b", "a"]


def test_equal_apis_rank_by_endpoint() -> None:
    assert ranked({"b": [event()], "c": [event()], "a": [event()]}) == ["a", "b", "c"]


def test_equal_scores_and_calls_rank_by_revenue() -> None:
    # 0.000001 USD adds less than half a hundredth of a point.
    assert ranked({"a": [event()], "b": [event(revenue_micros=1)]}) == ["b", "a"]


@pytest.mark.parametrize(
    ("owner", "shown"), [("alice", "@alice"), ("@bob", "@bob"), ("", "@unknown")]
)
def test_owners_start_with_an_at(owner: str, shown: str) -> None:
    assert shown_owner(owner) == shown
