"""Snapshots have every field of the contract, with totals that match the traffic."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from dev.launch import Server

from .caller import Caller, eventually
from .conftest import TOKEN

WINDOWS = ("today", "week", "overall")
HERO_FIELDS = {"activeAgents", "publishedApis", "directories", "calls", "revenueUsd"}
API_FIELDS = {
    "id",
    "rank",
    "endpoint",
    "owner",
    "tenantId",
    "directory",
    "priceUsd",
    "calls",
    "revenueUsd",
    "uniqueCallers",
    "latencyMs",
    "p95LatencyMs",
    "errorRatePct",
    "uptimePct",
    "topCallerShare",
    "maxHourShare",
    "diversityRatio",
    "trendingScore",
}

# (header, value, number of calls, number of failed calls)
CALLERS = [
    ("x-agent-id", "planner", 6, 0),
    ("x-api-key", "key-1", 3, 2),
    ("x-caller-id", "trader", 1, 0),
]


@pytest.fixture(scope="module")
def ledger(server: Server) -> Iterator[dict[str, Any]]:
    """The row of an API after ten known calls."""
    with Caller(server.url, TOKEN) as caller:
        yield _ten_calls(caller)


def _ten_calls(caller: Caller) -> dict[str, Any]:
    for header, value, calls, failures in CALLERS:
        for index in range(calls):
            outcome = 1 if index < failures else 0
            caller.request(f"/t/ledger/draw?fail={outcome}", headers={header: value})
    caller.request("/t/nameless/")
    return eventually(
        lambda: api if (api := caller.api("ledger")) and api["calls"] >= 10 else None,
        "ten calls of ledger",
    )


def test_calls_errors_and_callers_are_exact(ledger: dict[str, Any]) -> None:
    assert (ledger["calls"], ledger["uniqueCallers"]) == (10, 3)
    assert (ledger["errorRatePct"], ledger["uptimePct"]) == (20, 80)
    assert ledger["topCallerShare"] == pytest.approx(0.6)
    assert ledger["diversityRatio"] == pytest.approx(0.3)
    assert 0.5 <= ledger["maxHourShare"] <= 1
    assert 0 < ledger["latencyMs"] <= ledger["p95LatencyMs"] * 1.01


def test_an_api_has_the_fields_of_its_directory_record(ledger: dict[str, Any]) -> None:
    assert (ledger["owner"], ledger["directory"]) == ("@owner-of-ledger", "Ledgers")
    assert (ledger["tenantId"], ledger["priceUsd"]) == ("ten_ledger", 0.25)
    assert "ledger" in ledger["endpoint"]


def test_an_owner_starts_with_an_at_sign_and_a_missing_category_is_apis(
    caller: Caller, ledger: dict[str, Any]
) -> None:
    assert ledger
    nameless = eventually(lambda: caller.api("nameless"), "a call of nameless")
    assert (nameless["owner"], nameless["directory"]) == ("@4711", "APIs")


def test_a_caller_is_identified_by_its_key_before_its_agent_and_stored_as_a_hash(
    caller: Caller,
) -> None:
    for agent in ("agent-a", "agent-b", "agent-c"):
        caller.request("/t/identity/", headers={"x-api-key": "same-key", "x-agent-id": agent})
    caller.request("/t/identity/", headers={"x-agent-id": "agent-a"})
    eventually(lambda: (caller.api("identity") or {"calls": 0})["calls"] == 4, "four calls")
    identity = caller.api("identity")
    assert identity is not None
    assert identity["uniqueCallers"] == 2
    assert identity["topCallerShare"] == pytest.approx(0.75)
    assert "same-key" not in str(caller.events("identity"))


def test_only_5xx_408_and_429_count_as_errors(caller: Caller) -> None:
    for status in (200, 302, 404, 408, 429, 500, 503):
        assert caller.request(f"/t/errors/answer?status={status}").status_code == status
    assert caller.request("/t/errors/throw").status_code == 502
    eventually(lambda: (caller.api("errors") or {"calls": 0})["calls"] == 8, "eight calls")
    errors = caller.api("errors")
    assert errors is not None
    assert errors["errorRatePct"] == pytest.approx(100 * 5 / 8, abs=0.01)
    assert errors["uptimePct"] == pytest.approx(100 * 3 / 8, abs=0.01)


def test_the_trending_score_follows_the_contracts_formula(ledger: dict[str, Any]) -> None:
    assert ledger["trendingScore"] == pytest.approx(score(ledger), abs=0.011)


def score(api: dict[str, Any]) -> float:
    def clamp(value: float, low: float, high: float) -> float:
        return max(low, min(high, value))

    return float(
        40 * math.log10(api["calls"] + 1)
        + 25 * math.log10(100 * api["revenueUsd"] + 1)
        + 20 * math.log10(api["uniqueCallers"] + 1)
        + max(0, 10 - 0.7 * api["errorRatePct"])
        - clamp(120 * (0.18 - api["diversityRatio"]), 0, 20)
        - clamp(80 * (api["topCallerShare"] - 0.45), 0, 25)
        - clamp(70 * (api["maxHourShare"] - 0.4), 0, 20)
        - clamp((api["p95LatencyMs"] - 800) / 75, 0, 15)
    )


@pytest.fixture(params=WINDOWS)
def snapshot(
    request: pytest.FixtureRequest, caller: Caller, ledger: dict[str, Any]
) -> dict[str, Any]:
    assert ledger
    return caller.snapshot(request.param)


def test_a_snapshot_has_every_field_of_the_contract(snapshot: dict[str, Any]) -> None:
    names = {"window", "generatedAt", "range", "heroStats", "topApis", "allApis", "directories"}
    assert names | {"series", "freshness", "accuracy"} <= set(snapshot)
    assert set(snapshot["heroStats"]) >= HERO_FIELDS
    assert all(set(api) >= API_FIELDS for api in snapshot["allApis"])
    for row in snapshot["directories"]:
        assert set(row) >= {"directory", "calls", "revenueUsd", "apis", "uniqueCallers"}
    for row in snapshot["series"]:
        assert set(row) >= {"startAt", "calls", "revenueUsd", "errors"}
    assert set(snapshot["freshness"]) >= {"asOf", "complete", "lagSeconds"}


def test_every_revenue_in_dollars_is_also_given_in_micro_dollars(snapshot: dict[str, Any]) -> None:
    def check(value: object) -> None:
        if isinstance(value, dict):
            if "revenueUsd" in value:
                assert type(value["revenueMicros"]) is int
                assert value["revenueUsd"] == pytest.approx(value["revenueMicros"] / 1e6, abs=0.005)
            for part in value.values():
                check(part)
        elif isinstance(value, list):
            for part in value:
                check(part)

    check(snapshot)


def test_apis_categories_and_series_add_up_to_the_totals(snapshot: dict[str, Any]) -> None:
    hero = snapshot["heroStats"]
    for part in ("allApis", "directories", "series"):
        assert sum(row["calls"] for row in snapshot[part]) == hero["calls"], part
    assert hero["publishedApis"] == len(snapshot["allApis"])
    assert hero["directories"] == len(snapshot["directories"])
    assert sum(row["apis"] for row in snapshot["directories"]) == len(snapshot["allApis"])


def test_apis_are_ranked_in_the_contracts_order(snapshot: dict[str, Any]) -> None:
    apis = snapshot["allApis"]
    assert [api["rank"] for api in apis] == list(range(1, len(apis) + 1))
    order = [
        (
            -api["trendingScore"],
            -api["calls"],
            -api["revenueUsd"],
            api["errorRatePct"],
            api["endpoint"],
        )
        for api in apis
    ]
    assert order == sorted(order)
    assert snapshot["topApis"] == apis[:100]
    assert len({api["id"] for api in apis}) == len(apis)


def test_the_range_starts_where_the_window_starts(snapshot: dict[str, Any]) -> None:
    generated = datetime.fromisoformat(snapshot["generatedAt"])
    midnight = generated.replace(hour=0, minute=0, second=0, microsecond=0)
    start = snapshot["range"]["startAt"]
    if snapshot["window"] == "overall":
        assert start is None
    else:
        days = 0 if snapshot["window"] == "today" else 6
        assert datetime.fromisoformat(start) == midnight - timedelta(days=days)
    assert generated.astimezone(UTC) == generated


def test_the_series_has_no_gaps(snapshot: dict[str, Any]) -> None:
    step = timedelta(hours=1) if snapshot["window"] == "today" else timedelta(days=1)
    starts = [datetime.fromisoformat(row["startAt"]) for row in snapshot["series"]]
    assert len(starts) >= (7 if snapshot["window"] == "week" else 1)
    gaps = {later - earlier for earlier, later in pairwise(starts)}
    assert gaps <= {step}


def test_without_a_window_the_response_has_all_three(
    caller: Caller, ledger: dict[str, Any]
) -> None:
    assert ledger
    response = caller.platform("analytics")
    assert set(response) >= {"ok", "requestId", "generatedAt", "windows"}
    assert set(response["windows"]) == set(WINDOWS)
    for name, snapshot in response["windows"].items():
        assert snapshot["window"] == name
        assert snapshot["heroStats"]["calls"] >= 10


def test_top_limits_top_apis_but_not_all_apis(caller: Caller, ledger: dict[str, Any]) -> None:
    assert ledger
    snapshot = caller.platform("analytics", window="today", top=1)["snapshot"]
    assert len(snapshot["topApis"]) == 1
    assert len(snapshot["allApis"]) >= 2


@pytest.mark.parametrize("window", ["yesterday", "", "TODAY", "today,week", "__proto__"])
def test_an_unknown_window_is_invalid_window(caller: Caller, window: str) -> None:
    headers = {"authorization": f"Bearer {caller.token}"}
    response = caller.client.get(
        "/__platform/analytics", params={"window": window}, headers=headers
    )
    assert (response.status_code, response.json()["error"]) == (400, "invalid_window")


@pytest.mark.parametrize("top", ["0", "101", "-1", "2.5", "many", "", "1e1"])
def test_top_out_of_range_is_invalid_parameter(caller: Caller, top: str) -> None:
    headers = {"authorization": f"Bearer {caller.token}"}
    parameters = {"window": "today", "top": top}
    response = caller.client.get("/__platform/analytics", params=parameters, headers=headers)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_parameter")
