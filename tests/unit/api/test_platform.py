"""The platform API: exact about parameters, honest about health."""

from __future__ import annotations

import json

import pytest

from core import keys
from core.errors import InvalidParameter, InvalidWindow, MethodNotAllowed, NotFound
from tests.support.builders import event
from tests.support.fakes import FakeEnvironment, FakeStore
from tests.support.platform_scene import RIGHT, ROUTES, SETTINGS, Scene


def test_an_unknown_route_is_not_found_once_authorised() -> None:
    assert isinstance(Scene().refusal("/__platform/nope"), NotFound)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_routes_are_for_reading(method: str) -> None:
    refusal = Scene().refusal(ROUTES[0], method=method)
    assert isinstance(refusal, MethodNotAllowed)
    assert dict(refusal.headers) == {"allow": "GET, HEAD"}


@pytest.mark.parametrize("window", ["", "yesterday", "Today", "today%20", "week,today"])
def test_a_window_there_is_not_is_refused_with_those_there_are(window: str) -> None:
    refusal = Scene().refusal("/__platform/analytics", f"?window={window}")
    assert isinstance(refusal, InvalidWindow)
    assert (refusal.code, refusal.status) == ("invalid_window", 400)
    assert refusal.evidence["expected"] == ["today", "week", "overall"]


@pytest.mark.parametrize(
    ("route", "name", "largest"), [(ROUTES[0], "top", 100), (ROUTES[1], "limit", 2_000)]
)
def test_counts_are_whole_numbers_within_their_bounds(route: str, name: str, largest: int) -> None:
    scene = Scene()
    for good in ("1", str(largest), "007"):
        scene.ask(route, f"?{name}={good}")
    for bad in ("", "0", "-1", "1.5", "ten", str(largest + 1), "9" * 5_000, "\u0661", "1e1", "+1"):
        refusal = scene.refusal(route, f"?{name}={bad}")
        assert isinstance(refusal, InvalidParameter)
        assert refusal.code == "invalid_parameter"
        assert refusal.evidence["parameter"] == name
        assert str(largest) in refusal.message


@pytest.mark.parametrize(
    "cursor", ["", "nope", "e30", "LTEuYQ", "OTk5OTk5OTk5OTk5OTk5OTk5OTkuYQ", "MTIz", "é", "=" * 50]
)
def test_a_made_up_cursor_is_refused(cursor: str) -> None:
    refusal = Scene().refusal("/__platform/events", f"?cursor={cursor}")
    assert refusal.evidence.get("parameter") == "cursor"


def test_a_flood_of_parameters_is_refused() -> None:
    assert isinstance(Scene().refusal(ROUTES[0], "?" + "a=1&" * 200), InvalidParameter)


def test_one_window_is_one_snapshot() -> None:
    scene = Scene()
    scene.commit(3)
    body = scene.ask("/__platform/analytics", "?window=today&top=1")
    assert body["window"] == body["snapshot"]["window"] == "today"
    assert body["generatedAt"] == body["snapshot"]["generatedAt"]
    assert body["snapshot"]["heroStats"]["calls"] == 3


def test_without_a_window_there_are_all_three() -> None:
    scene = Scene()
    scene.commit(3)
    body = scene.ask("/__platform/analytics")
    assert list(body["windows"]) == ["today", "week", "overall"]
    assert [shot["heroStats"]["calls"] for shot in body["windows"].values()] == [3, 3, 3]
    assert "snapshot" not in body


def test_events_not_committed_yet_are_counted_too() -> None:
    scene = Scene()
    scene.commit(2)
    scene.log.record(event(request_id="held"))
    body = scene.ask("/__platform/analytics", "?window=overall")
    assert body["snapshot"]["heroStats"]["calls"] == 3


def test_events_are_listed_newest_first_page_by_page() -> None:
    scene = Scene()
    scene.commit(5)
    first = scene.ask("/__platform/events", "?limit=3")
    second = scene.ask("/__platform/events", f"?limit=3&cursor={first['cursor']}")
    ids = [one["requestId"] for one in (*first["events"], *second["events"])]
    assert ids == ["r000", "r001", "r002", "r003", "r004"]
    assert second["cursor"] is None


def test_an_event_is_shown_with_everything_but_who_called() -> None:
    scene = Scene()
    scene.commit(1)
    assert scene.ask("/__platform/events")["events"] == [
        {
            "requestId": "r000",
            "at": "2026-11-22T12:00:00.000Z",
            "tenantId": "tenant-1",
            "endpoint": "/t/weather",
            "owner": "@alice",
            "directory": "Data",
            "priceUsd": 0.01,
            "method": "GET",
            "status": 200,
            "latencyMs": 20,
            "caller": "c1",
            "outcome": "served",
            "counted": True,
            "revenueUsd": 0.0,
            "revenueMicros": 0,
        }
    ]


def test_an_event_for_no_api_has_none() -> None:
    scene = Scene()
    scene.log.record(event(api=None, caller="", counted=False))
    (one,) = scene.ask("/__platform/events")["events"]
    assert [one[name] for name in ("tenantId", "endpoint", "owner", "priceUsd", "caller")] == [
        None
    ] * 5


def test_without_its_kv_the_log_cannot_be_read_and_the_binding_is_named() -> None:
    scene = Scene(FakeEnvironment(usage_store=None, settings=dict(SETTINGS)))
    for route in ROUTES[:2]:
        assert scene.refusal(route).evidence["binding"] == "USAGE_KV"


def test_a_sound_deployment_is_healthy() -> None:
    scene = Scene(
        variable=json.dumps({"tenants": [{"slug": "a", "tenantId": "t", "workerName": "a"}]})
    )
    scene.commit(2)
    body = scene.ask("/__platform/health")
    assert (body["healthy"], body["problems"], body["notices"]) == (True, [], [])
    assert body["bindings"] == {
        "USAGE_KV": True,
        "TENANT_KV": False,
        "DISPATCHER": True,
        "CONTROL_DB": False,
        "QUOTAS": True,
    }
    assert body["payments"] == {"pricedApis": 0}
    assert body["directory"] == {"usable": 1, "refused": []}
    assert {**body["log"], "invariants": len(body["log"]["invariants"])} == {
        "newestBatches": 2,
        "newestEvents": 2,
        "olderBatches": False,
        "compactedUntil": None,
        "oldestUncompacted": "2026-11-22T11:59:00.000Z",
        "backlogMinutes": None,
        "lateBatches": 0,
        "compared": {
            "from": "2026-11-22T12:00:00.000Z",
            "to": "2026-11-22T12:00:00.000Z",
            "batches": 0,
        },
        "invariants": 12,
    }
    assert body["isolate"]["eventsCommitted"] == 2


def test_health_names_everything_that_is_wrong() -> None:
    environment = FakeEnvironment(
        usage_store=FakeStore(unavailable=True),
        tenant_store=FakeStore(values={keys.tenant("bad"): ("{", None)}),
        namespace=None,
        settings={"PLATFORM_ANALYTICS_TOKEN": RIGHT},
    )
    scene = Scene(environment, json.dumps({"tenants": [{"slug": "B"}]}))
    body = scene.ask("/__platform/health")
    assert body["healthy"] is False
    said = " | ".join(f"{problem['code']}: {problem['message']}" for problem in body["problems"])
    for part in (
        "dispatcher_binding_missing: The binding DISPATCHER",
        "configuration_error: The setting CALLER_HASH_SECRET",
        "directory_record_refused: tenants[0] (slug 'B'): slug must be",
        "directory_record_refused: TENANT_KV tenant/bad: it is no JSON",
        "store_unavailable: USAGE_KV",
    ):
        assert part in said
    assert [one["record"] for one in body["directory"]["refused"]] == [
        "tenants[0] (slug 'B')",
        "TENANT_KV tenant/bad",
    ]


def test_health_says_which_caps_bound_nothing() -> None:
    record = {"slug": "a", "tenantId": "t", "workerName": "a", "spendLimit": {"dailySpendUsd": 5}}
    body = Scene(variable=json.dumps({"tenants": [record]})).ask("/__platform/health")
    assert body["notices"] == [
        {
            "code": "cap_without_price",
            "message": "a has a spendLimit, which has no effect: no payments are taken for it.",
        }
    ]


def test_health_names_the_bindings_that_limits_need() -> None:
    limited = {
        "usageLimit": {"dailyRequests": 5},
        "rateLimit": {"requests": 5, "windowSeconds": 10},
    }
    record = {"slug": "a", "tenantId": "t", "workerName": "a"}
    environment = FakeEnvironment(
        settings={"PLATFORM_ANALYTICS_TOKEN": RIGHT, "CALLER_HASH_SECRET": "secret"},
        quota_counters=None,
        rate_counters={},
    )
    for fields, names in ((limited, ["QUOTAS", "RATE_10S_1", "RATE_10S_4"]), ({}, [])):
        variable = json.dumps({"tenants": [{**record, **fields}]})
        body = Scene(environment, variable).ask("/__platform/health")
        said = [problem["message"].split()[2] for problem in body["problems"]]
        assert said == names


@pytest.mark.parametrize("variable", ["{", None])
def test_health_answers_even_without_a_directory(variable: str | None) -> None:
    body = Scene(variable=variable).ask("/__platform/health")
    assert "TENANT_DIRECTORY_JSON" in body["problems"][0]["message"]


def test_health_shows_no_secret() -> None:
    settings = {"PLATFORM_ANALYTICS_TOKEN": RIGHT, "CALLER_HASH_SECRET": "hush-hush"}
    body = Scene(FakeEnvironment(settings=settings)).ask("/__platform/health")
    assert "hush-hush" not in json.dumps(body)
    assert RIGHT not in json.dumps(body)


def test_a_range_is_rebuilt_and_what_changed_is_named() -> None:
    scene = Scene()
    scene.commit(2)
    body = scene.ask(
        "/__platform/compact", "?from=2026-11-22T11:00Z&to=2026-11-22T12:00Z", method="POST"
    )
    assert (body["complete"], body["changed"]) == (True, [])
    assert (body["from"], body["to"]) == ("2026-11-22T11:00:00.000Z", "2026-11-22T12:00:00.000Z")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "from"),
        ("?from=yesterday&to=today", "from"),
        ("?from=2026-11-22T11:00&to=2026-11-22T12:00Z", "from"),
        ("?from=2026-11-22T11:00Z", "to"),
        ("?from=2026-11-22T11:00Z&to=2026-11-22T11:00Z", "to"),
        ("?from=2026-11-22T12:00Z&to=2026-11-22T11:00Z", "to"),
        ("?from=2026-11-22T01:00Z&to=2026-11-22T11:00Z", "to"),
        ("?from=0001-01-01T00:00Z&to=2026-11-22T11:00Z", "from"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(query: str, parameter: str) -> None:
    refusal = Scene().refusal("/__platform/compact", query, method="POST")
    assert isinstance(refusal, InvalidParameter)
    assert refusal.evidence["parameter"] == parameter


def test_a_rebuild_is_asked_for_by_post() -> None:
    assert isinstance(Scene().refusal("/__platform/compact"), MethodNotAllowed)
