"""The platform API validates parameters exactly and reports every problem in its health."""

from __future__ import annotations

import asyncio
import json

import pytest

from core import constants, keys
from core.errors import InvalidParameter, InvalidWindow, MethodNotAllowed, NotFound
from tests.support.builders import event
from tests.support.fakes import FakeEnvironment, FakeStore
from tests.support.platform_scene import RIGHT, ROUTES, SETTINGS, Scene


def test_an_unknown_route_is_not_found_if_the_token_is_valid() -> None:
    assert isinstance(Scene().error("/__platform/nope"), NotFound)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_routes_for_reading_reject_other_methods(method: str) -> None:
    error = Scene().error(ROUTES[0], method=method)
    assert isinstance(error, MethodNotAllowed)
    assert dict(error.headers) == {"allow": "GET, HEAD"}


@pytest.mark.parametrize(
    ("route", "accepted"),
    [
        ("analytics", ["window", "top"]),
        ("events", ["limit", "cursor"]),
        ("settlements", ["limit", "cursor"]),
        ("reconciliation", ["day"]),
        ("health", []),
        ("metrics", []),
        ("openapi.json", []),
    ],
)
@pytest.mark.parametrize(
    "unknown", ["tenant=t1", "status=502", "Limit=5", "WINDOW=today", "_", "="]
)
def test_an_unknown_parameter_gets_an_error_that_lists_those_of_the_route(
    route: str, accepted: list[str], unknown: str
) -> None:
    error = Scene().error(f"/__platform/{route}", f"?{unknown}")
    assert (error.code, error.status) == ("invalid_parameter", 400)
    assert error.evidence["parameter"] == unknown.partition("=")[0]
    assert error.evidence["accepted"] == accepted
    assert ", ".join(accepted) in error.message


@pytest.mark.parametrize("route", ["compact", "import"])
def test_an_unknown_parameter_changes_nothing(route: str) -> None:
    query = "?from=2026-11-21&to=2026-11-22&dryRun=true"
    error = Scene().error(f"/__platform/{route}", query, method="POST", content="[]")
    assert error.code == "invalid_parameter"
    assert "dryRun" in str(error.evidence) or "from" in str(error.evidence)


def test_a_long_unknown_name_is_shortened() -> None:
    error = Scene().error("/__platform/events", f"?{'x' * 9_000}=1")
    assert len(error.message) < 400


@pytest.mark.parametrize("window", ["", "yesterday", "Today", "today%20", "week,today"])
def test_an_unknown_window_gets_an_error_that_lists_the_windows(window: str) -> None:
    error = Scene().error("/__platform/analytics", f"?window={window}")
    assert isinstance(error, InvalidWindow)
    assert (error.code, error.status) == ("invalid_window", 400)
    assert error.evidence["expected"] == ["today", "week", "overall"]


@pytest.mark.parametrize(
    ("route", "name", "largest"), [(ROUTES[0], "top", 100), (ROUTES[1], "limit", 2_000)]
)
def test_counts_must_be_whole_numbers_within_their_bounds(
    route: str, name: str, largest: int
) -> None:
    scene = Scene()
    for good in ("1", str(largest), "007"):
        scene.body(route, f"?{name}={good}")
    for bad in ("", "0", "-1", "1.5", "ten", str(largest + 1), "9" * 5_000, "\u0661", "1e1", "+1"):
        error = scene.error(route, f"?{name}={bad}")
        assert isinstance(error, InvalidParameter)
        assert error.code == "invalid_parameter"
        assert error.evidence["parameter"] == name
        assert str(largest) in error.message


@pytest.mark.parametrize(
    "cursor", ["", "nope", "e30", "LTEuYQ", "OTk5OTk5OTk5OTk5OTk5OTk5OTkuYQ", "MTIz", "é", "=" * 50]
)
def test_an_invalid_cursor_is_rejected(cursor: str) -> None:
    error = Scene().error("/__platform/events", f"?cursor={cursor}")
    assert error.evidence.get("parameter") == "cursor"


def test_too_many_parameters_are_rejected() -> None:
    assert isinstance(Scene().error(ROUTES[0], "?" + "a=1&" * 200), InvalidParameter)


def test_a_request_for_one_window_returns_one_snapshot() -> None:
    scene = Scene()
    scene.commit(3)
    body = scene.body("/__platform/analytics", "?window=today&top=1")
    assert body["window"] == body["snapshot"]["window"] == "today"
    assert body["generatedAt"] == body["snapshot"]["generatedAt"]
    assert body["snapshot"]["heroStats"]["calls"] == 3


def test_a_request_without_a_window_returns_all_three() -> None:
    scene = Scene()
    scene.commit(3)
    body = scene.body("/__platform/analytics")
    assert list(body["windows"]) == ["today", "week", "overall"]
    assert [shot["heroStats"]["calls"] for shot in body["windows"].values()] == [3, 3, 3]
    assert "snapshot" not in body


def test_events_count_when_a_shard_has_acknowledged_them() -> None:
    scene = Scene()
    scene.commit(2)
    scene.recorder.record(event(request_id="buffered"))
    body = scene.body("/__platform/analytics", "?window=overall")
    assert body["snapshot"]["heroStats"]["calls"] == 2


def test_events_are_listed_newest_first_page_by_page() -> None:
    scene = Scene()
    scene.commit(5)
    first = scene.body("/__platform/events", "?limit=3")
    second = scene.body("/__platform/events", f"?limit=3&cursor={first['cursor']}")
    ids = [one["requestId"] for one in (*first["events"], *second["events"])]
    assert ids == ["r004", "r003", "r002", "r001", "r000"]
    assert second["cursor"] is None


def test_an_event_has_every_documented_field() -> None:
    scene = Scene()
    scene.commit(1)
    assert scene.body("/__platform/events")["events"] == [
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


def test_the_api_fields_of_an_event_without_an_api_are_null() -> None:
    scene = Scene()
    scene.recorder.record(event(api=None, caller="", counted=False))
    asyncio.run(scene.recorder.send())
    (shown,) = scene.body("/__platform/events")["events"]
    assert [shown[name] for name in ("tenantId", "endpoint", "owner", "priceUsd", "caller")] == [
        None
    ] * 5


def test_without_a_binding_of_the_log_the_error_names_it() -> None:
    for missing, binding in (("usage_store", "USAGE_KV"), ("usage_shards", "USAGE_SHARD")):
        environment = FakeEnvironment(settings=dict(SETTINGS))
        setattr(environment, missing, None)
        scene = Scene(environment)
        for route in ROUTES[:2]:
            assert scene.error(route).evidence["binding"] == binding


def test_a_deployment_without_problems_is_healthy() -> None:
    scene = Scene(
        variable=json.dumps({"tenants": [{"slug": "a", "tenantId": "t", "workerName": "a"}]})
    )
    scene.commit(2)
    body = scene.body("/__platform/health")
    assert (body["healthy"], body["problems"], body["notices"]) == (True, [], [])
    assert body["bindings"] == {
        "USAGE_KV": True,
        "USAGE_SHARD": True,
        "TENANT_KV": False,
        "DISPATCHER": True,
        "CONTROL_DB": False,
        "QUOTAS": True,
    }
    assert body["payments"] == {"pricedApis": 0}
    assert body["directory"] == {"usable": 1, "refused": []}
    (shard,) = body["log"]["shards"]
    assert (shard["shard"], shard["responds"]) == (0, True)
    assert (shard["acknowledged"], shard["flushed"], shard["checkpointed"]) == (1, 0, 0)
    assert (shard["foldedUntil"], shard["openParts"]) == (None, ["2026-11-22"])
    assert body["isolate"]["eventsAcknowledged"] == 2


def test_health_lists_every_problem() -> None:
    environment = FakeEnvironment(
        usage_store=FakeStore(unavailable=True),
        tenant_store=FakeStore(values={keys.tenant("bad"): ("{", None)}),
        namespace=None,
        settings={"PLATFORM_ANALYTICS_TOKEN": RIGHT},
    )
    scene = Scene(environment, json.dumps({"tenants": [{"slug": "B"}]}))
    body = scene.body("/__platform/health")
    assert body["healthy"] is False
    text = " | ".join(f"{problem['code']}: {problem['message']}" for problem in body["problems"])
    for part in (
        "dispatcher_binding_missing: The binding DISPATCHER",
        "configuration_error: The setting CALLER_HASH_SECRET",
        "directory_record_refused: tenants[0] (slug 'B'): slug must be",
        "directory_record_refused: TENANT_KV tenant/bad: it is no JSON",
        "store_unavailable: USAGE_KV",
    ):
        assert part in text
    assert [one["record"] for one in body["directory"]["refused"]] == [
        "tenants[0] (slug 'B')",
        "TENANT_KV tenant/bad",
    ]


@pytest.mark.parametrize(
    ("setting", "value", "unusable"),
    [
        ("CALLER_KEY_HEADERS", "x-own-key, x own key", "x own key"),
        ("CALLER_KEY_HEADERS", "x-k\u00e9y", "x-k\u00e9y"),
        ("PLATFORM_CORS_ORIGINS", "https://a.example, *", "*"),
        ("PLATFORM_CORS_ORIGINS", "https://a.example/", "https://a.example/"),
        ("PLATFORM_CORS_ORIGINS", "a.example", "a.example"),
        ("PLATFORM_CORS_ORIGINS", "null", "null"),
        ("PLATFORM_CORS_ORIGINS", "HTTPS://A.example:8443, http://[::1]:3000,", None),
    ],
)
def test_health_names_what_cannot_be_used_in_a_list(
    setting: str, value: str, unusable: str | None
) -> None:
    environment = FakeEnvironment(settings={**SETTINGS, setting: value})
    problems = Scene(environment).body("/__platform/health")["problems"]
    assert [problem["code"] for problem in problems] == ["configuration_error"] * bool(unusable)
    assert not unusable or f"{setting} has {unusable!r}" in problems[0]["message"]


def test_health_names_unknown_fields_of_records() -> None:
    record = {"slug": "a", "tenantId": "t", "workerName": "a", "comment": "x", "team": 5}
    body = Scene(variable=json.dumps({"tenants": [record]})).body("/__platform/health")
    (notice,) = body["notices"]
    assert notice["code"] == "unknown_record_field"
    assert "a has" in notice["message"]
    assert "comment, team" in notice["message"]


def test_health_lists_spend_limits_that_have_no_effect() -> None:
    record = {"slug": "a", "tenantId": "t", "workerName": "a", "spendLimit": {"dailySpendUsd": 5}}
    body = Scene(variable=json.dumps({"tenants": [record]})).body("/__platform/health")
    assert body["notices"] == [
        {
            "code": "cap_without_price",
            "message": "a has a spendLimit, which has no effect: no payments are taken for it.",
        }
    ]


@pytest.mark.parametrize("price", [{}, {"priceUsd": 0}, {"priceUsd": "0.00"}])
def test_health_names_an_api_that_should_be_paid_for_and_has_no_price(
    price: dict[str, object],
) -> None:
    record = {"slug": "a", "tenantId": "t", "workerName": "a", "x402Enabled": True, **price}
    body = Scene(variable=json.dumps({"tenants": [record]})).body("/__platform/health")
    assert body["notices"] == [
        {
            "code": "paid_without_price",
            "message": "a has x402Enabled and no price above 0: every request is free.",
        }
    ]


def test_health_lists_missing_bindings_that_limits_need() -> None:
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
        body = Scene(environment, variable).body("/__platform/health")
        found = [problem["message"].split()[2] for problem in body["problems"]]
        assert found == names


@pytest.mark.parametrize("variable", ["{", None])
def test_health_works_without_a_usable_directory(variable: str | None) -> None:
    body = Scene(variable=variable).body("/__platform/health")
    assert "TENANT_DIRECTORY_JSON" in body["problems"][0]["message"]


def test_health_contains_no_secret() -> None:
    settings = {"PLATFORM_ANALYTICS_TOKEN": RIGHT, "CALLER_HASH_SECRET": "hush-hush"}
    body = Scene(FakeEnvironment(settings=settings)).body("/__platform/health")
    assert "hush-hush" not in json.dumps(body)
    assert RIGHT not in json.dumps(body)


def test_a_rebuild_reports_each_day_of_each_shard() -> None:
    scene = Scene()
    scene.commit(2)
    body = scene.body("/__platform/compact", "?from=2026-11-21T23:00Z&to=2026-11-23", method="POST")
    assert (body["from"], body["to"]) == ("2026-11-21", "2026-11-23")
    assert (body["complete"], body["next"], body["changed"]) == (True, None, [])
    assert [(one["day"], one["shard"], one["changed"], one["reason"]) for one in body["days"]] == [
        ("2026-11-21", 0, False, None),
        ("2026-11-22", 0, False, None),
    ]


def test_a_rebuild_corrects_wrong_totals_and_says_so() -> None:
    scene = Scene()
    scene.commit(2)
    shards = scene.environment.usage_shards
    assert shards is not None
    (part,) = shards.shard(0).log.parts.values()
    part.totals.apis.clear()
    body = scene.body("/__platform/compact", "?from=2026-11-22&to=2026-11-23", method="POST")
    assert (body["complete"], body["changed"]) == (True, ["2026-11-22"])
    snapshot = scene.body("/__platform/analytics", "?window=today")["snapshot"]
    assert snapshot["heroStats"]["calls"] == 2


def test_a_long_rebuild_says_where_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    scene.commit(2)
    monkeypatch.setattr(constants, "REBUILD_MS", 0)
    days = []
    start: str | None = "2026-11-20"
    while start is not None:
        query = f"?from={start}&to=2026-11-23"
        body = scene.body("/__platform/compact", query, method="POST")
        assert body["complete"] is (body["next"] is None)
        days += [one["day"] for one in body["days"]]
        start = body["next"]
    assert days == ["2026-11-20", "2026-11-21", "2026-11-22"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "from"),
        ("?from=yesterday&to=today", "from"),
        ("?from=2026-11-22T11:00&to=2026-11-22T12:00Z", "from"),
        ("?from=2026-11-22T11:00Z", "to"),
        ("?from=2026-11-22T11:00Z&to=2026-11-22T11:00Z", "to"),
        ("?from=2026-11-22T12:00Z&to=2026-11-22T11:00Z", "to"),
        ("?from=2026-10-12&to=2026-11-22", "to"),
        ("?from=0001-01-01T00:00Z&to=2026-11-22T11:00Z", "from"),
    ],
)
def test_an_invalid_range_is_rejected(query: str, parameter: str) -> None:
    error = Scene().error("/__platform/compact", query, method="POST")
    assert isinstance(error, InvalidParameter)
    assert error.evidence["parameter"] == parameter


def test_a_rebuild_needs_post() -> None:
    assert isinstance(Scene().error("/__platform/compact"), MethodNotAllowed)
