"""A token that is limited to tenants sees only what is theirs, in every route, whatever is sent."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pytest

from api.auth import TenantsOnly
from api.limited.stored_tokens import CACHED_SECONDS
from api.pagination import ClaimPlace, LogPlace, encode_claim, encode_places
from api.routes import PLATFORM_ROUTES
from api.tokens import STORED_PREFIX
from core import keys
from core.calendar import DAY_MS, timestamp
from core.errors import Unauthorized
from metering.events import Api
from tests.support.builders import MAPS, SETTLEMENT, WEATHER, event, settlement_batch
from tests.support.fakes import NOON_MS, FakeEnvironment, FakeStore
from tests.support.platform_scene import SETTINGS, TOKEN, Scene

TODAY = timestamp(NOON_MS)[:10]
MINE = "mine-token-of-the-unit-tests"
NOTHING = "nothing-token-of-the-unit-tests"
STORED = f"{STORED_PREFIX}{'s' * 43}"
SECRETS = ("tenant-2", "maps", "@bob", "0b0b", "tenant-10", "tenant-1 ")
"""What only other tenants' data has."""

USAGE = "/__platform/usage"
ANALYTICS = "/__platform/analytics"
EVENTS = "/__platform/events"
SETTLEMENTS = "/__platform/settlements"


def entry(name: str, token: str, tenants: Sequence[str], **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "scopes": ["analytics:read", "events:read"],
        "sha256": hashlib.sha256(token.encode()).hexdigest(),
        "tenants": [*tenants],
        **fields,
    }


def limited_scene(*more: dict[str, Any]) -> Scene:
    """Return a platform with a week of usage of several tenants, whose ids resemble each other."""
    tokens = [entry("mine", MINE, ["tenant-1"]), entry("nothing", NOTHING, []), *more]
    settings = {**SETTINGS, "PLATFORM_TOKENS": json.dumps(tokens)}
    scene = Scene(FakeEnvironment(settings=settings, tenant_store=FakeStore()))
    others = [
        MAPS,
        *(Api(name, "weather", "@bob", "", 0) for name in ("tenant-10", "TENANT-1", "tenant-1 ")),
        Api("tenant\u20111", "weather", "@bob", "", 0),
    ]
    number = 0
    for back_ms in (0, 60_000, DAY_MS, 3 * DAY_MS):
        own = event(NOON_MS - back_ms, caller="0a0a", revenue_micros=5_000)
        for one in (own, *(event(NOON_MS - back_ms, api, caller="0b0b") for api in others)):
            number += 1
            scene.recorder.record(one._replace(request_id=f"r{number:03d}"))
    asyncio.run(scene.recorder.send())
    shards = scene.environment.usage_shards
    assert shards is not None
    for number, tenant in enumerate(("tenant-1", "tenant-2", "tenant-10")):
        settlement = SETTLEMENT._replace(
            payment_id=f"id-{number}",
            tenant_id=tenant,
            slug="weather" if tenant == "tenant-1" else "maps",
            request_id=f"paid-{tenant}",
        )
        asyncio.run(shards.call(0, "append", settlement_batch(settlement)))
    return scene


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def store_token(scene: Scene, token: str, **fields: Any) -> str:
    value = {
        "name": "creator",
        "scopes": ["analytics:read", "events:read"],
        "tenants": ["tenant-1"],
        "createdAt": timestamp(NOON_MS),
        **fields,
    }
    key = keys.token(hashlib.sha256(token.encode()).hexdigest())
    scene.environment.tenant_store.values[key] = (json.dumps(value), {})  # type: ignore[union-attr]
    return key


OPEN_ROUTES = sorted(path for path, route in PLATFORM_ROUTES.items() if route.is_by_tenant)
CLOSED_ROUTES = sorted(path for path, route in PLATFORM_ROUTES.items() if not route.is_by_tenant)
QUERIES = [
    (ANALYTICS, "?window=today"),
    (ANALYTICS, "?window=week"),
    (ANALYTICS, ""),
    (EVENTS, ""),
    (SETTLEMENTS, ""),
    (USAGE, f"?from={TODAY}&groupBy=api"),
    (USAGE, f"?from={TODAY}&groupBy=tenant&interval=hour"),
    (USAGE, f"?from={TODAY}&groupBy=outcome"),
    (USAGE, f"?from={TODAY}&groupBy=caller&api=weather"),
    (USAGE, f"?from={TODAY}&groupBy=caller&api=maps"),
    (USAGE, f"?from={TODAY}&api=maps"),
    *(
        (USAGE, f"?from={TODAY}&groupBy=api&tenant={tenant}")
        for tenant in ("tenant-2", "tenant-10", "TENANT-1", "tenant-1%20", "*", "tenant-%25")
    ),
]


@pytest.mark.parametrize(("path", "query"), QUERIES)
def test_nothing_of_other_tenants_is_shown(path: str, query: str) -> None:
    scene = limited_scene()
    for token in (MINE, NOTHING):
        shown = json.dumps(scene.body(path, query, bearer(token)))
        # The slug that was asked for is repeated.
        shown = shown.replace('"api": "maps"', "")
        assert [secret for secret in SECRETS if secret in shown] == []
    is_filtered = "tenant=" in query or "api=" in query or "outcome" in query
    assert is_filtered or "tenant-2" in json.dumps(scene.body(path, query, TOKEN))


@pytest.mark.parametrize(
    "tenant",
    ["tenant-2", "tenant-10", "tenant-1%20", "TENANT-1", "tenant%E2%80%911", "*", "%25", "tenant"],
)
def test_the_usage_of_another_tenant_is_that_of_a_tenant_that_does_not_exist(tenant: str) -> None:
    scene = limited_scene()
    found = [
        scene.body(USAGE, f"?from={TODAY}&tenant={name}", bearer(MINE))
        for name in (tenant, "unknown")
    ]
    for body in found:
        for row in body["rows"]:
            row.pop("tenantId", None)
    assert found[0] == found[1]
    assert found[0]["totals"]["calls"] == 0


@pytest.mark.parametrize("path", CLOSED_ROUTES)
def test_routes_that_concern_all_tenants_are_closed(path: str) -> None:
    method = PLATFORM_ROUTES[path].methods[0]
    headers = bearer(MINE)
    scene = limited_scene(entry("both", "both-token-of-the-unit-tests", ["tenant-1"]))
    error = scene.error(path, headers=headers, method=method)
    assert isinstance(error, Unauthorized)
    assert "tenant-2" not in error.message


def test_the_routes_that_are_closed_are_those_of_operators() -> None:
    assert [path.rpartition("/")[2] for path in CLOSED_ROUTES] == [
        "compact",
        "health",
        "import",
        "metrics",
    ]


def test_a_snapshot_has_the_rows_sums_and_series_of_the_own_tenant() -> None:
    scene = limited_scene()
    for window, calls in (("today", 2), ("week", 4), ("overall", 4)):
        snapshot = scene.body(ANALYTICS, f"?window={window}", bearer(MINE))["snapshot"]
        (row,) = snapshot["allApis"]
        assert (row["rank"], row["tenantId"], row["calls"]) == (1, "tenant-1", calls)
        assert snapshot["topApis"] == snapshot["allApis"]
        hero = snapshot["heroStats"]
        assert (hero["calls"], hero["activeAgents"], hero["publishedApis"]) == (calls, 1, 1)
        assert sum(point["calls"] for point in snapshot["series"]) == calls
        assert [one["calls"] for one in snapshot["directories"]] == [calls]
        assert snapshot["previous"] is None
    empty = scene.body(ANALYTICS, "?window=week", bearer(NOTHING))["snapshot"]
    assert (empty["allApis"], empty["heroStats"]["calls"]) == ([], 0)


def test_an_etag_does_not_tell_what_others_do_nor_match_for_another_token() -> None:
    scene = limited_scene()

    def tag(token: str, if_none_match: str = "") -> tuple[int, str]:
        headers = {**bearer(token), "if-none-match": if_none_match}
        response = scene.request(ANALYTICS, "?window=today", headers)
        found = dict(response.headers)
        assert found["cache-control"].startswith("private")
        assert "Authorization" in found["vary"]
        return response.status, found["etag"]

    _, mine = tag(MINE)
    _, nothing = tag(NOTHING)
    assert mine != nothing
    assert tag(NOTHING, mine)[0] == 200
    scene.recorder.record(event(api=MAPS, request_id="new"))
    asyncio.run(scene.recorder.send())
    assert tag(MINE, mine) == (304, mine)


def test_a_limited_token_sees_its_own_part_of_public_analytics_and_is_not_cached_for_all() -> None:
    scene = limited_scene()
    scene.environment.settings["ALLOW_PUBLIC_PLATFORM_ANALYTICS"] = "true"
    response = scene.request(ANALYTICS, "?window=today", bearer(MINE))
    assert "maps" not in str(response.body)
    assert dict(response.headers)["cache-control"].startswith("private")
    assert "maps" in str(scene.request(ANALYTICS, "?window=today", {}).body)


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_pages_of_events_have_all_own_events_once_and_no_others(limit: int) -> None:
    scene = limited_scene()
    found: list[str] = []
    cursor = ""
    for _ in range(20):
        body = scene.body(EVENTS, f"?limit={limit}{cursor}", bearer(MINE))
        found += [one["requestId"] for one in body["events"]]
        assert {one["tenantId"] for one in body["events"]} <= {"tenant-1"}
        if body["cursor"] is None:
            break
        cursor = f"&cursor={body['cursor']}"
    assert len(found) == len(set(found)) == 4


def test_a_quiet_tenant_gets_a_cursor_in_place_of_a_search_of_the_whole_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.event_pages._CALLS_MAX", 2)
    monkeypatch.setattr("api.event_pages._EVENTS_PER_CALL", 3)
    scene = limited_scene()
    found: list[str] = []
    cursor, pages = "", 0
    for _ in range(50):
        for number in range(3):
            scene.recorder.record(event(api=MAPS, request_id=f"noise-{pages}-{number}"))
        asyncio.run(scene.recorder.send())
    while pages < 60:
        pages += 1
        body = scene.body(EVENTS, f"?limit=2{cursor}", bearer(MINE))
        found += [one["requestId"] for one in body["events"]]
        if body["cursor"] is None:
            break
        cursor = f"&cursor={body['cursor']}"
    assert len(found) == len(set(found)) == 4
    assert pages > 3


def test_a_cursor_of_another_token_shows_only_own_events() -> None:
    scene = limited_scene()
    for path, place in (
        (EVENTS, encode_places([LogPlace(10_000, 0)])),
        (EVENTS, scene.body(EVENTS, "?limit=1", TOKEN)["cursor"]),
        (SETTLEMENTS, encode_claim(ClaimPlace(NOON_MS + DAY_MS, "x"))),
        (SETTLEMENTS, scene.body(SETTLEMENTS, "?limit=1", TOKEN)["cursor"]),
    ):
        text = json.dumps(scene.body(path, f"?cursor={place}", bearer(MINE)))
        assert not any(secret in text for secret in SECRETS)


def test_settlements_and_reconciliation_have_only_own_payments() -> None:
    scene = limited_scene()
    own = scene.body(SETTLEMENTS, "", bearer(MINE))
    assert [one["tenantId"] for one in own["settlements"]] == ["tenant-1"]
    assert len(scene.body(SETTLEMENTS, "", TOKEN)["settlements"]) == 3
    assert scene.body(SETTLEMENTS, "", bearer(NOTHING))["settlements"] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"tenants": "tenant-1"},
        {"tenants": [1]},
        {"tenants": [""]},
        {"tenants": ["x" * 201]},
        {"tenants": [f"t{number}" for number in range(51)]},
        {"tenants": None},
        {"scopes": ["admin"]},
        {"scopes": ["analytics:read", "events:write"]},
    ],
)
def test_an_unusable_limit_makes_the_token_unusable(fields: dict[str, Any]) -> None:
    token = "broken-token-of-the-unit-tests"
    scene = limited_scene({**entry("broken", token, ["tenant-1"]), **fields})
    assert isinstance(scene.error(EVENTS, headers=bearer(token)), Unauthorized)
    problems = scene.body("/__platform/health")["problems"]
    assert any("(broken) is ignored" in problem["message"] for problem in problems)


def test_of_two_tokens_the_limited_one_counts() -> None:
    scene = limited_scene()
    both = {**TOKEN, "x-platform-token": MINE}
    assert {one["tenantId"] for one in scene.body(EVENTS, "", both)["events"]} == {"tenant-1"}
    with pytest.raises(TenantsOnly):
        scene.request("/__platform/health", headers=both)


def test_a_stored_token_sees_its_tenants_until_it_is_deleted() -> None:
    scene = limited_scene()
    key = store_token(scene, STORED)
    assert len(scene.body(EVENTS, "", bearer(STORED))["events"]) == 4
    text = json.dumps(scene.body(USAGE, f"?from={TODAY}&groupBy=api", bearer(STORED)))
    assert "tenant-2" not in text
    del scene.environment.tenant_store.values[key]  # type: ignore[union-attr]
    scene.clock.at_ms += CACHED_SECONDS * 1000
    assert CACHED_SECONDS <= 30
    assert isinstance(scene.error(EVENTS, headers=bearer(STORED)), Unauthorized)


def test_a_stored_token_is_read_once_while_it_is_cached() -> None:
    scene = limited_scene()
    store_token(scene, STORED)
    store = scene.environment.tenant_store
    assert store is not None
    for _ in range(3):
        scene.body(EVENTS, "", bearer(STORED))
    assert store.operations.count("get") == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"tenants": None},
        {"scopes": ["admin"]},
        {"notAfter": "2026-01-01T00:00Z"},
        {"sha256": "0" * 64},
        {"name": ""},
    ],
)
def test_a_stored_token_that_is_unusable_or_expired_is_rejected(fields: dict[str, Any]) -> None:
    scene = limited_scene()
    store_token(scene, STORED, **fields)
    assert isinstance(scene.error(EVENTS, headers=bearer(STORED)), Unauthorized)


@pytest.mark.parametrize("value", ["", "null", "[]", "{}", "not JSON", '{"tenants":["tenant-1"]}'])
def test_a_damaged_stored_token_is_rejected(value: str) -> None:
    scene = limited_scene()
    key = store_token(scene, STORED)
    scene.environment.tenant_store.values[key] = (value, {})  # type: ignore[union-attr]
    assert isinstance(scene.error(EVENTS, headers=bearer(STORED)), Unauthorized)


@pytest.mark.parametrize(
    "token",
    [STORED[:-1], STORED + "s", STORED.upper(), STORED_PREFIX, STORED.replace("s", "\u017f")],
)
def test_a_similar_token_is_not_the_stored_one(token: str) -> None:
    scene = limited_scene()
    store_token(scene, STORED)
    assert isinstance(scene.error(EVENTS, headers=bearer(token)), Unauthorized)


def test_wrong_tokens_are_looked_for_only_until_their_address_is_throttled() -> None:
    scene = limited_scene()
    store = scene.environment.tenant_store
    for number in range(50):
        scene.error(EVENTS, headers=bearer(f"{STORED_PREFIX}{number:043d}"))
    assert store.operations.count("get") <= 32  # type: ignore[union-attr]


def test_a_stored_token_works_although_no_setting_has_a_token() -> None:
    scene = limited_scene()
    scene.environment.settings.pop("PLATFORM_ANALYTICS_TOKEN")
    scene.environment.settings.pop("PLATFORM_TOKENS")
    store_token(scene, STORED)
    assert len(scene.body(EVENTS, "", bearer(STORED))["events"]) == 4
    assert "closed" in scene.error(EVENTS, headers=bearer("another")).message


def test_health_shows_which_tenants_a_token_may_see() -> None:
    tokens = limited_scene().body("/__platform/health")["access"]["tokens"]
    assert {one["name"]: one["tenants"] for one in tokens} == {
        "PLATFORM_ANALYTICS_TOKEN": None,
        "mine": ["tenant-1"],
        "nothing": [],
    }


def test_the_api_of_weather_is_the_own_one() -> None:
    assert WEATHER.tenant_id == "tenant-1"
