"""Generated traffic is realistic, marked as demo, and the same for the same seed."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from core.calendar import DAY_MS, HOUR_MS
from dev.history.profiles import PROFILES
from dev.history.traffic import Span, make_events
from dev.launch.payments import with_priced_apis
from dev.layout import HERE
from metering.events import UsageEvent
from tenants.records import parse_directory

DEMO = HERE.root / "dev" / "demo"
DIRECTORY = parse_directory(
    with_priced_apis((DEMO / "tenants.json").read_text(encoding="utf-8"), DEMO / "priced.json")
)
APIS = {slug: tenant.api for slug, tenant in DIRECTORY.by_slug.items()}
PRICED = frozenset(slug for slug, tenant in DIRECTORY.by_slug.items() if tenant.is_priced)
SPAN = Span(30, 1_795_398_000_000)


@cache
def events() -> list[UsageEvent]:
    """Return the events that tests share; each process of a run imports this module."""
    return make_events(APIS, PRICED, SPAN, 1)


def test_every_api_of_the_demo_has_a_profile_and_is_called() -> None:
    assert PROFILES.keys() == APIS.keys()
    called = {event.api.slug for event in events() if event.api}
    assert called == APIS.keys()


def test_only_the_same_seed_gives_the_same_events() -> None:
    assert make_events(APIS, PRICED, SPAN, 1) == events()
    assert make_events(APIS, PRICED, SPAN, 2) != events()


def test_events_are_within_the_span_ordered_and_marked() -> None:
    times = [event.at_ms for event in events()]
    assert times == sorted(times)
    assert SPAN.start_ms <= times[0] < times[-1] < SPAN.end_ms
    assert SPAN.end_ms - times[-1] < HOUR_MS
    assert all(event.request_id.startswith("demo-") for event in events())
    assert len({event.request_id for event in events()}) == len(events())


def test_only_served_calls_of_priced_apis_have_revenue() -> None:
    for event in events():
        if event.revenue_micros:
            assert event.api
            assert event.api.slug in PRICED
            assert (event.status, event.outcome, event.counted) == (200, "served", True)
            assert event.revenue_micros == event.api.price_micros
    assert sum(event.revenue_micros for event in events()) > 10_000_000


def test_requests_without_payment_are_not_calls() -> None:
    unpaid = [event for event in events() if not event.counted]
    assert {event.outcome for event in unpaid} == {"payment_required"}
    assert {event.status for event in unpaid} == {402}


def test_traffic_differs_by_hour_and_weekday() -> None:
    exchange = [event.at_ms for event in events() if event.api and event.api.slug == "exchange"]
    hours = Counter(at_ms % DAY_MS // HOUR_MS for at_ms in exchange)
    assert sum(hours[hour] for hour in (13, 14, 15)) > 4 * sum(hours[hour] for hour in (1, 2, 3))
    weekend = sum((at_ms // DAY_MS + 3) % 7 >= 5 for at_ms in exchange)
    assert weekend < 0.2 * len(exchange)


def test_agents_return_on_other_days_and_new_ones_join() -> None:
    days: dict[str, set[int]] = {}
    for event in events():
        days.setdefault(event.caller, set()).add(event.at_ms // DAY_MS)
    assert sum(len(seen) > 5 for seen in days.values()) > 50
    assert sum(min(seen) > SPAN.first_day + 10 for seen in days.values()) > 20


def test_there_are_errors_and_incidents() -> None:
    hours: dict[tuple[str, int], list[bool]] = {}
    for event in events():
        if event.api and event.api.slug in ("airports", "exchange", "pulse"):
            hour = (event.api.slug, event.at_ms // HOUR_MS)
            hours.setdefault(hour, []).append(event.status >= 500)
    rates = [sum(failed) / len(failed) for failed in hours.values() if len(failed) >= 8]
    assert sum(rate > 0.3 for rate in rates) >= 3
    assert sorted(rates)[len(rates) // 2] == 0


@pytest.mark.parametrize("days", [1, 39])
def test_a_span_starts_at_midnight(days: int) -> None:
    span = Span(days, SPAN.end_ms)
    assert span.start_ms % DAY_MS == 0
    assert days - 1 < (span.end_ms - span.start_ms) / DAY_MS <= days
