"""Snapshots: all fields as the contract defines them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calendar import DAY_MS, HOUR_MS
from metering.events import Api, UsageEvent
from metering.totals import Totals
from snapshots.previous_period import PreviousPeriod
from snapshots.render import Freshness, snapshot, trend_range
from snapshots.window_parts import WINDOWS, days_of
from tests.support.builders import MAPS, WEATHER, event
from tests.support.fakes import NOON_MS
from tests.support.snapshot_builders import shot, shown_of

TODAY = NOON_MS // DAY_MS


def at(text: str) -> int:
    """Return an ISO time in UTC as milliseconds since the epoch."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def calls_in(window: str, times: Sequence[str], now: str) -> int:
    events = [event(at(time)) for time in times]
    calls = shot(events, window, at(now))["heroStats"]["calls"]
    assert isinstance(calls, int)
    return calls


def test_today_starts_at_midnight_utc() -> None:
    times = ["2026-11-21T23:59:59.999", "2026-11-22T00:00:00", "2026-11-22T11:00"]
    assert calls_in("today", times, "2026-11-22T12:00") == 2
    assert calls_in("today", times, "2026-11-21T23:59:59.999") == 1
    assert calls_in("today", times, "2026-11-23T00:00") == 0


def test_week_is_today_and_the_six_days_before_over_a_months_end() -> None:
    times = ["2026-11-25T23:59:59.999", "2026-11-26T00:00", "2026-11-30T12:00", "2026-12-02T01:00"]
    assert calls_in("week", times, "2026-12-02T12:00") == 3


def test_leap_days_are_days() -> None:
    times = ["2028-02-28T23:59", "2028-02-29T00:00", "2028-02-29T23:59", "2028-03-01T00:00"]
    assert calls_in("today", times, "2028-02-29T12:00") == 2
    assert calls_in("week", times, "2028-03-06T12:00") == 3
    assert calls_in("week", times, "2028-03-07T12:00") == 1


def test_overall_is_everything_ever_recorded() -> None:
    times = ["2019-01-01T00:00", "2026-11-22T00:00", "2026-11-24T00:00"]
    assert calls_in("overall", times, "2026-11-22T12:00") == 3


def test_an_event_slightly_ahead_of_the_readers_clock_counts_at_once() -> None:
    assert calls_in("today", ["2026-11-22T12:00:00.500"], "2026-11-22T12:00") == 1


def test_an_event_of_a_later_day_waits_for_its_day() -> None:
    assert calls_in("today", ["2026-11-23T00:00"], "2026-11-22T23:59:59.999") == 0
    assert calls_in("week", ["2026-11-23T00:00"], "2026-11-22T23:59:59.999") == 0


def test_the_range_has_the_windows_start_and_end() -> None:
    assert shot([])["range"] == {
        "startAt": "2026-11-22T00:00:00.000Z",
        "endAt": "2026-11-22T12:00:00.000Z",
    }
    assert shot([], "week")["range"]["startAt"] == "2026-11-16T00:00:00.000Z"
    assert shot([], "overall")["range"]["startAt"] is None
    assert days_of("overall", NOON_MS) is None


@pytest.mark.parametrize("window", WINDOWS)
def test_an_empty_log_is_a_snapshot_of_zeros(window: str) -> None:
    empty = shot([], window)
    assert empty["heroStats"] == {
        "activeAgents": 0,
        "publishedApis": 0,
        "directories": 0,
        "calls": 0,
        "revenueUsd": 0,
        "revenueMicros": 0,
    }
    assert empty["topApis"] == empty["allApis"] == empty["directories"] == []
    assert empty["freshness"]["complete"] is True


def test_the_row_of_an_api_is_as_defined() -> None:
    events = [
        event(NOON_MS - 2 * HOUR_MS, latency_ms=10, caller="c1", revenue_micros=10_000),
        event(NOON_MS - HOUR_MS, latency_ms=20, caller="c1", status=500),
        event(NOON_MS, latency_ms=0, caller="c2", status=429, revenue_micros=5_001),
        event(NOON_MS + 1, WEATHER._replace(price_micros=30_000), latency_ms=30, status=404),
        event(NOON_MS, counted=False, status=402, caller="c9", latency_ms=99),
    ]
    assert shot(events)["allApis"] == [
        {
            "rank": 1,
            "id": "tenant-1:weather",
            "endpoint": "/t/weather",
            "owner": "@alice",
            "tenantId": "tenant-1",
            "directory": "Data",
            "priceUsd": 0.015,
            "calls": 4,
            "revenueUsd": 0.02,
            "revenueMicros": 15_001,
            "uniqueCallers": 2,
            "payingCallers": 2,
            "latencyMs": 20.0,
            "p95LatencyMs": 30.0,
            "errorRatePct": 50.0,
            "uptimePct": 50.0,
            "topCallerShare": 0.75,
            "maxHourShare": 0.5,
            "diversityRatio": 0.5,
            "trendingScore": 16.45,
            "trend": [*[0] * 10, 1, 1, 2],
        }
    ]


def test_top_cuts_top_apis_and_not_all_apis() -> None:
    events = [event(api=Api("t", f"api{n:04d}", "", "", 0)) for n in range(1_200)]
    found = shot(events, top=7)
    assert len(found["topApis"]) == 7
    assert len(found["allApis"]) == 1_000
    assert found["topApis"] == found["allApis"][:7]
    assert found["heroStats"]["publishedApis"] == found["heroStats"]["calls"] == 1_200
    assert found["apis"] == {"total": 1_200, "shown": 1_000}
    assert found["directories"][0]["apis"] == 1_200


def test_refused_requests_alone_publish_no_api() -> None:
    found = shot([event(counted=False, status=402)])
    assert found["heroStats"]["publishedApis"] == 0
    assert found["allApis"] == []


def test_requests_for_no_api_are_not_counted() -> None:
    assert shot([event(api=None, counted=False, status=404)])["heroStats"]["calls"] == 0


def test_categories_add_up_their_apis() -> None:
    events = [
        event(caller="c1", revenue_micros=5),
        event(api=WEATHER._replace(slug="climate"), caller="c1"),
        event(api=MAPS, caller="c2"),
    ]
    assert shot(events)["directories"] == [
        {
            "directory": "Data",
            "calls": 2,
            "revenueUsd": 0.0,
            "revenueMicros": 5,
            "apis": 2,
            "uniqueCallers": 1,
        },
        {
            "directory": "APIs",
            "calls": 1,
            "revenueUsd": 0.0,
            "revenueMicros": 0,
            "apis": 1,
            "uniqueCallers": 1,
        },
    ]


def test_a_caller_of_two_apis_is_one_agent() -> None:
    assert shot([event(caller="c"), event(api=MAPS, caller="c")])["heroStats"]["activeAgents"] == 1


def test_todays_series_has_every_hour_so_far() -> None:
    events = [event(at("2026-11-22T03:30")), event(at("2026-11-22T03:40"), status=500)]
    series = shot(events, now_ms=at("2026-11-22T05:10"))["series"]
    assert [point["startAt"][11:16] for point in series] == [f"0{hour}:00" for hour in range(6)]
    assert [point["calls"] for point in series] == [0, 0, 0, 2, 0, 0]
    assert [point["errors"] for point in series] == [0, 0, 0, 1, 0, 0]


def test_the_weeks_series_has_seven_days() -> None:
    series = shot([event(revenue_micros=2_500_000)], "week")["series"]
    assert [point["calls"] for point in series] == [0] * 6 + [1]
    assert (series[-1]["revenueUsd"], series[-1]["revenueMicros"]) == (2.5, 2_500_000)


def test_overalls_series_runs_from_the_first_day_with_gaps_filled() -> None:
    series = shot([event(at("2026-11-19T01:00"))], "overall")["series"]
    assert [point["startAt"][:10] for point in series] == [
        f"2026-11-{day}" for day in (19, 20, 21, 22)
    ]


def test_the_bounds_of_estimates_are_published() -> None:
    assert shot([])["accuracy"] == {
        "uniqueCallersExactUpTo": 300,
        "uniqueCallersRelativeErrorMax": 0.02,
        "p95RelativeErrorMax": 0.01,
        "topCallerShareErrorMax": 0.01,
    }


def test_many_callers_are_counted_within_the_published_bounds() -> None:
    names = [f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" for number in range(1_500)]
    events = [event(api=api, caller=name) for name in names for api in (WEATHER, MAPS)] + [
        event(caller=names[7])
    ] * 1_000
    found = shot(events)
    weather = found["allApis"][0]
    assert found["heroStats"]["activeAgents"] == pytest.approx(1_500, rel=0.02)
    assert weather["uniqueCallers"] == pytest.approx(1_500, rel=0.02)
    assert 1_001 / 2_500 <= weather["topCallerShare"] <= 1_001 / 2_500 + 0.01
    assert found["directories"][0]["uniqueCallers"] == pytest.approx(1_500, rel=0.02)


def test_freshness_shows_what_is_missing() -> None:
    shown = shown_of(Totals(), trend_range("today", NOON_MS))._replace(dropped=4)
    freshness = Freshness(NOON_MS - 1_800_000, [2], ["base/0/overall"])
    assert snapshot("today", shown, None, freshness, NOON_MS, 25)["freshness"] == {
        "asOf": "2026-11-22T11:30:00.000Z",
        "lagSeconds": 1_800,
        "complete": False,
        "droppedEvents": 4,
        "unavailableShards": [2],
        "damagedTotals": ["base/0/overall"],
    }


def test_complete_data_is_as_of_the_read() -> None:
    found = shot([event()])["freshness"]
    assert (found["complete"], found["asOf"], found["lagSeconds"]) == (
        True,
        "2026-11-22T12:00:00.000Z",
        0,
    )


@pytest.mark.parametrize(
    ("window", "start"), [("today", "2026-11-21T00:00:00.000Z"), ("overall", None)]
)
def test_the_previous_period_has_its_own_range(window: str, start: str | None) -> None:
    shown = shown_of(Totals(), trend_range(window, NOON_MS))
    previous = PreviousPeriod(NOON_MS - DAY_MS, 3, 5_000_000)
    assert snapshot(window, shown, previous, Freshness(NOON_MS), NOON_MS, 25)["previous"] == {
        "range": {"startAt": start, "endAt": "2026-11-21T12:00:00.000Z"},
        "heroStats": {
            "activeAgents": None,
            "publishedApis": None,
            "directories": None,
            "calls": 3,
            "revenueUsd": 5.0,
            "revenueMicros": 5_000_000,
        },
    }


some_events = st.lists(
    st.builds(
        event,
        st.integers(NOON_MS - 9 * DAY_MS, NOON_MS),
        st.sampled_from([WEATHER, MAPS]),
        status=st.sampled_from([200, 404, 500]),
        caller=st.sampled_from(["c1", "c2", "c3"]),
        counted=st.booleans(),
        revenue_micros=st.integers(0, 10**7),
    ),
    max_size=60,
)


@given(some_events, st.sampled_from(WINDOWS))
def test_a_window_equals_a_plain_count_of_its_events(events: list[UsageEvent], window: str) -> None:
    found = shot(events, window)
    first = {"today": TODAY, "week": TODAY - 6, "overall": 0}[window]
    calls = [one for one in events if one.counted and one.at_ms // DAY_MS >= first]
    names = Counter(one.api.slug for one in calls if one.api)
    assert found["heroStats"]["calls"] == len(calls)
    assert found["heroStats"]["activeAgents"] == len({one.caller for one in calls})
    assert {api["endpoint"]: api["calls"] for api in found["allApis"] if api["calls"]} == {
        f"/t/{slug}": count for slug, count in names.items()
    }
    # Revenue that is settled after its request counts even in a window without calls.
    revenue = sum(one.revenue_micros for one in events if one.at_ms // DAY_MS >= first)
    assert found["heroStats"]["revenueMicros"] == revenue
    assert sum(api["revenueMicros"] for api in found["allApis"]) == revenue
    assert found["heroStats"]["publishedApis"] == len(names)
    assert sum(point["calls"] for point in found["series"]) == len(calls)
    assert sum(entry["calls"] for entry in found["directories"]) == len(calls)
    for api in found["allApis"]:
        assert api["uptimePct"] == pytest.approx(100 - api["errorRatePct"])
