"""One machine cannot buy a rank with made-up identities."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytest

from core.callers import CallerHasher
from metering.aggregate import Aggregate
from metering.events import UsageEvent
from metering.totals import ApiId
from snapshots.measures import measure
from snapshots.ranking import api_row
from tests.support.builders import event
from tests.support.fakes import FakeEnvironment

CALLERS = CallerHasher(FakeEnvironment(settings={"CALLER_HASH_SECRET": "secret"}))
ADDRESS = "192.0.2.1"

Headers = Mapping[str, str]


def calls_of(requests: Iterable[Headers], revenue_micros: int = 0) -> Sequence[UsageEvent]:
    """Return the calls that the dispatcher records of requests with these headers."""
    found = []
    for number, headers in enumerate(requests):
        caller, network = CALLERS.identify(headers)
        if revenue_micros:
            caller = CALLERS.hash(f"payer:{number}")
        found.append(event(caller=caller, network=network, revenue_micros=revenue_micros))
    return found


def summed(*calls: Sequence[UsageEvent]) -> Aggregate:
    aggregate = Aggregate()
    for group in calls:
        for one in group:
            aggregate.add(one)
    return aggregate


def scored(*calls: Sequence[UsageEvent]) -> int:
    """Return how many callers count in the score."""
    return measure([summed(*calls)]).scored_callers


def row(*calls: Sequence[UsageEvent]) -> Mapping[str, Any]:
    """Return an API as shown."""
    shown = api_row(ApiId("t", "api"), measure([summed(*calls)]), []).shown
    assert shown is not None
    return shown


def score(*calls: Sequence[UsageEvent]) -> float:
    return float(row(*calls)["trendingScore"])


def made_up_name(number: int) -> Headers:
    return {"x-agent-id": f"agent-{number}", "cf-connecting-ip": ADDRESS}


def rotated_key(number: int) -> Headers:
    return {"authorization": f"Bearer key-{number}", "cf-connecting-ip": ADDRESS}


def address_in_a_24(number: int) -> Headers:
    return {"cf-connecting-ip": f"192.0.2.{number % 256}"}


def address_in_a_48(number: int) -> Headers:
    return {"cf-connecting-ip": f"2001:db8:1:{number:x}::{number:x}"}


def everything(number: int) -> Headers:
    return {**address_in_a_48(number), "x-api-key": f"key-{number}", "x-agent-id": f"a-{number}"}


ATTACKS = (made_up_name, rotated_key, address_in_a_24, address_in_a_48, everything)


def honest(count: int) -> Sequence[UsageEvent]:
    """Return a call from each of so many networks."""
    return calls_of({"cf-connecting-ip": f"198.51.{number}.7"} for number in range(count))


@pytest.mark.parametrize("identity", ATTACKS)
def test_identities_of_one_network_count_as_four(identity: Callable[[int], Headers]) -> None:
    names = {one.caller for one in calls_of(map(identity, range(200)))}
    assert len(names) == 200
    for count in (4, 20, 1_000):
        assert scored(calls_of(map(identity, range(count)))) == 4


@pytest.mark.parametrize("identity", ATTACKS)
def test_honest_callers_do_not_raise_what_one_network_adds(
    identity: Callable[[int], Headers],
) -> None:
    assert scored(honest(50)) == 50
    assert scored(honest(50), calls_of(map(identity, range(1_000)))) == 54


def test_callers_who_pay_count_and_bring_no_others_along() -> None:
    payers = ({"cf-connecting-ip": f"198.51.{number}.7"} for number in range(20))
    paid = calls_of(payers, revenue_micros=1)
    assert scored(paid) == 20
    assert scored(paid, calls_of(map(made_up_name, range(1_000)))) == 24


def test_payments_to_oneself_count_once_for_each_payer() -> None:
    one_payer = [one._replace(caller="b" * 16) for one in calls_of([{}] * 500, revenue_micros=1)]
    assert scored(one_payer) == 1


def test_made_up_names_do_not_raise_the_rank_above_an_api_with_more_calls() -> None:
    popular = calls_of([{"cf-connecting-ip": ADDRESS}] * 178)
    own = calls_of([{"cf-connecting-ip": ADDRESS}] * 30)
    made_up = calls_of(map(made_up_name, range(30)))
    shown = row(own, made_up)
    assert (shown["uniqueCallers"], shown["topCallerShare"]) == (31, 0.5)
    assert shown["trendingScore"] < score(popular)


@pytest.mark.parametrize("identity", ATTACKS)
@pytest.mark.parametrize("calls", [20, 60, 300])
def test_more_identities_than_four_of_a_network_bring_nothing(
    identity: Callable[[int], Headers], calls: int
) -> None:
    four = score(calls_of(identity(number % 4) for number in range(calls)))
    for count in (5, 16, 300):
        assert score(calls_of(identity(number % count) for number in range(calls))) <= four


@pytest.mark.parametrize("identity", ATTACKS)
def test_identities_that_do_not_count_hide_no_busy_caller(
    identity: Callable[[int], Headers],
) -> None:
    busy = calls_of([identity(0)] * 250)
    plain, diluted = (
        score(busy, calls_of(others)) for others in ([identity(0)] * 250, map(identity, range(250)))
    )
    # Three more callers count; the busy one still costs all that it can.
    assert diluted - plain == pytest.approx(20 * math.log10(5 / 2), abs=0.01)


def test_callers_that_share_networks_lose_points_only_as_fewer_callers() -> None:
    offices = [f"198.51.{number % 25}.{number}" for number in range(125)]
    shared = calls_of({"cf-connecting-ip": address} for address in offices * 4)
    spread = calls_of({"cf-connecting-ip": f"203.{number % 125}.1.1"} for number in range(500))
    # 100 of 125 callers count.
    lost = 20 * math.log10(126 / 101)
    assert score(spread) - score(shared) == pytest.approx(lost, abs=0.01)
