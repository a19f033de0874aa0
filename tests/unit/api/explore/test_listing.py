"""The public list: every live API, called or not, filtered and paged by the dispatcher."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from core import constants, keys
from core.errors import InvalidParameter
from core.ports import Fetched, Json, Response
from metering.events import Api
from tenants.catalog import READ_SECONDS
from tests.support.builders import event
from tests.support.dispatcher_scene import Scene
from tests.support.explore_scene import upstream, upstream_body
from tests.support.explore_shape import check
from tests.support.fakes import NOON_MS, FakeEnvironment, FakeStore
from tests.unit.tenants.test_records import REQUIRED

PATH = "/api/explore/analytics"
PAUSE_MS = 1_000 * (READ_SECONDS + constants.EXPLORE_FRESH_SECONDS + 1)

RECORDS: Mapping[str, Mapping[str, Json]] = {
    "funding": {
        "title": "Rates",
        "description": "Funding rates of perpetual futures.",
        "directory": "Finance",
        "owner": "@alice",
        "tags": ["crypto"],
        "methods": ["GET"],
        "priceUsd": "0.015",
        "x402Enabled": True,
    },
    "weather": {"description": "气象 — Größe der Böen.", "directory": "Data", "owner": "bob"},
    "tides": {"directory": "Data", "priceUsd": "0.5", "owner": "@alice"},
}


class Market(Scene):
    """A dispatcher whose directory is in `TENANT_KV`."""

    def __init__(self, records: Mapping[str, Mapping[str, Json]] = RECORDS) -> None:
        self.tenants = FakeStore()
        super().__init__(environment=FakeEnvironment(tenant_store=self.tenants), variable=None)
        for slug, record in records.items():
            self.publish(slug, **record)

    def publish(self, slug: str, **record: Json) -> None:
        """Write a record."""
        stored = {**REQUIRED, "slug": slug, "tenantId": f"t-{slug}", **record}
        self.tenants.values[keys.tenant(slug)] = (json.dumps(stored), None)

    def call(self, slug: str, calls: int = 1) -> None:
        """Record calls of an API."""
        shards = self.environment.usage_shards
        assert shards is not None
        api = Api(f"t-{slug}", slug, "@old", "Old", 0)
        asyncio.run(shards.append([event(NOON_MS - n, api) for n in range(calls)]))

    def snapshot(self, query: str = "") -> dict[str, Any]:
        """Return the snapshot for a query."""
        response = self.request(PATH + query)
        assert isinstance(response, Response)
        assert response.status == 200, response.body
        found: dict[str, Any] = json.loads(response.body)["snapshot"]
        return found

    def slugs(self, query: str = "") -> list[str]:
        """Return the slugs of the list."""
        return [api["endpoint"].removeprefix("/t/") for api in self.snapshot(query)["allApis"]]


def test_every_live_api_is_listed_called_or_not() -> None:
    market = Market()
    market.call("weather", 3)
    snapshot = market.snapshot()
    check(snapshot, "today", 25)
    assert [api["endpoint"] for api in snapshot["allApis"]] == [
        "/t/weather",
        "/t/funding",
        "/t/tides",
    ]
    assert snapshot["catalog"] == {
        "live": 3,
        "categories": [{"directory": "Data", "apis": 2}, {"directory": "Finance", "apis": 1}],
    }
    called, uncalled, free = snapshot["allApis"]
    assert (called["calls"], called["owner"], called["directory"]) == (3, "@bob", "Data")
    assert {name: uncalled[name] for name in ("title", "description", "tags", "methods")} == {
        "title": "Rates",
        "description": "Funding rates of perpetual futures.",
        "tags": ["crypto"],
        "methods": ["GET"],
    }
    assert (uncalled["listedPriceUsd"], uncalled["charges"], uncalled["calls"]) == (0.015, True, 0)
    assert uncalled["url"] == "http://dispatcher.example/t/funding"
    assert (free["listedPriceUsd"], free["charges"]) == (0.5, False)


def test_a_withdrawn_api_has_no_rank_and_its_totals_still_count() -> None:
    market = Market()
    market.call("funding", 5)
    market.call("weather", 2)
    del market.tenants.values[keys.tenant("funding")]
    snapshot = market.snapshot()
    check(snapshot, "today", 25)
    assert [(api["endpoint"], api["rank"], api["withdrawn"]) for api in snapshot["allApis"]] == [
        ("/t/weather", 1, False),
        ("/t/tides", 2, False),
        ("/t/funding", None, True),
    ]
    assert "/t/funding" not in [api["endpoint"] for api in snapshot["topApis"]]
    assert snapshot["allApis"][-1]["url"] == ""
    assert snapshot["heroStats"]["calls"] == 7


def test_a_slug_that_another_tenant_took_over_is_another_api() -> None:
    market = Market()
    market.call("funding", 5)
    market.publish("funding", **{**RECORDS["funding"], "tenantId": "t-other"})
    rows = {api["id"]: api for api in market.snapshot()["allApis"]}
    assert rows["t-funding:funding"]["withdrawn"]
    assert (rows["t-other:funding"]["withdrawn"], rows["t-other:funding"]["calls"]) == (False, 0)


def test_a_change_of_a_record_shows_within_half_a_minute() -> None:
    market = Market()
    market.call("funding")
    assert market.snapshot()["allApis"][0]["listedPriceUsd"] == 0.015
    market.publish("funding", **{**RECORDS["funding"], "priceUsd": "0.02", "owner": "@carol"})
    market.publish("new")
    market.clock.at_ms += PAUSE_MS
    (first, *others) = market.snapshot()["allApis"]
    assert (first["listedPriceUsd"], first["owner"], first["calls"]) == (0.02, "@carol", 1)
    assert "/t/new" in [api["endpoint"] for api in others]
    assert PAUSE_MS < 30_000


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=FUNDING", ["funding"]),
        ("?q=rates%20alice", ["funding"]),
        ("?q=gr%C3%B6%C3%9Fe", ["weather"]),
        ("?q=GR%C3%96SSE", ["weather"]),
        ("?q=%E6%B0%97%E8%B1%A1", []),
        ("?q=%E6%B0%94%E8%B1%A1", ["weather"]),
        ("?q=crypto", ["funding"]),
        ("?q=%20", ["funding", "tides", "weather"]),
        ("?category=Data", ["tides", "weather"]),
        ("?owner=alice&category=Data", ["tides"]),
        ("?owner=%40alice", ["funding", "tides"]),
        ("?tag=crypto", ["funding"]),
        ("?api=tides", ["tides"]),
        ("?api=t-tides:tides", ["tides"]),
        ("?api=nobody", []),
        ("?sort=price&order=desc", ["funding", "tides", "weather"]),
        ("?sort=endpoint&order=desc", ["weather", "tides", "funding"]),
        ("?sort=title&order=desc", ["funding", "weather", "tides"]),
        ("?offset=1&limit=1", ["tides"]),
        ("?offset=3", []),
    ],
)
def test_the_list_is_searched_filtered_sorted_and_paged(query: str, found: list[str]) -> None:
    assert Market().slugs(query) == found


def test_pages_of_the_list_have_every_api_once() -> None:
    market = Market({f"a{number:02}": {} for number in range(25)})
    found: list[str] = []
    offset: int | None = 0
    while offset is not None:
        snapshot = market.snapshot(f"?limit=10&offset={offset}")
        found += [api["endpoint"] for api in snapshot["allApis"]]
        assert snapshot["apis"]["matching"] == snapshot["apis"]["total"] == 25
        offset = snapshot["apis"]["next"]
    assert found == [f"/t/a{number:02}" for number in range(25)]


def test_filtered_rows_keep_their_rank_and_totals_are_of_all_apis() -> None:
    market = Market()
    market.call("weather", 5)
    market.call("tides", 2)
    (row,) = [api for api in market.snapshot()["allApis"] if api["endpoint"] == "/t/weather"]
    assert row["rank"] == 2
    snapshot = market.snapshot("?q=b%C3%B6en")
    assert snapshot["allApis"] == [row]
    assert snapshot["topApis"] == snapshot["allApis"]
    assert snapshot["heroStats"]["calls"] == 7


@pytest.mark.parametrize("sort", ["latency", "uptime", "errors"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_apis_without_calls_have_no_latency_and_come_last(sort: str, order: str) -> None:
    market = Market()
    market.call("weather")
    assert market.slugs(f"?sort={sort}&order={order}")[0] == "weather"


@pytest.mark.parametrize(
    "query",
    [
        "?sort=magic",
        "?order=up",
        "?offset=-1",
        "?offset=1.5",
        "?limit=0",
        "?limit=1001",
        "?q=" + "x" * 201,
        "?api=" + "x" * 301,
        "?q=a&q=b",
    ],
)
def test_invalid_parameters_say_what_is_valid(query: str) -> None:
    response = Market().request(PATH + query)
    assert isinstance(response, Response)
    body = json.loads(response.body)
    assert (response.status, body["error"]) == (400, InvalidParameter.code)
    assert body["parameter"] in query


def test_hostile_texts_are_sanitized_and_stay_text() -> None:
    hostile = "<script>alert(1)</script>\u200b مرحبا \u00ad'\"&"
    market = Market({"a": {"title": hostile, "description": hostile, "tags": ["\u200b"]}})
    snapshot = market.snapshot()
    check(snapshot, "today", 25)
    (api,) = snapshot["allApis"]
    assert api["description"] == "<script>alert(1)</script> مرحبا '\"&"
    assert api["tags"] == []


def test_without_a_readable_directory_called_apis_are_listed_and_none_is_withdrawn() -> None:
    market = Market()
    market.call("funding")
    market.tenants.unavailable = True
    snapshot = market.snapshot()
    check(snapshot, "today", 25)
    assert snapshot["catalog"] is None
    assert [(api["rank"], api["withdrawn"]) for api in snapshot["allApis"]] == [(1, False)]


def test_the_address_to_call_is_that_of_the_request() -> None:
    market = Market()
    for origin in ("http://localhost:8787", "https://x.workers.dev"):
        response = market.request(origin + PATH)
        assert isinstance(response, Response)
        urls = {api["url"] for api in json.loads(response.body)["snapshot"]["allApis"]}
        assert urls == {f"{origin}/t/{slug}" for slug in RECORDS}


def test_a_changed_catalog_has_another_tag() -> None:
    market = Market()
    tags = []
    for _ in range(2):
        response = market.request(PATH)
        assert isinstance(response, Response)
        tags.append(dict(response.headers)["etag"])
        market.publish("tides", title="Tides")
        market.clock.at_ms += PAUSE_MS
    assert tags[0] != tags[1]


# Another dispatcher's catalog.


def other_dispatcher(pages: Mapping[str, Json]) -> Any:
    """Return a responder with analytics, and a response by query of the public route."""

    async def respond(url: str, _body: Json) -> Fetched:
        path, _, query = url.partition("?")
        body = upstream_body() if path.endswith("/__platform/analytics") else pages.get(query)
        return Fetched(404 if body is None else 200, json.dumps(body))

    return respond


def page_of(rows: list[Json], following: int | None) -> Json:
    """Return a response of another dispatcher's public route."""
    return {"ok": True, "snapshot": {"allApis": rows, "catalog": {}, "apis": {"next": following}}}


def test_the_catalog_of_another_dispatcher_is_read_page_by_page() -> None:
    isolate = upstream()
    a = {"id": "t:a", "endpoint": "/t/a", "title": "A", "listedPriceMicros": 5, "withdrawn": False}
    b = {**a, "id": "t:b", "endpoint": "/t/b", "charges": True}
    gone = {**a, "id": "t:c", "endpoint": "/t/c", "withdrawn": True}
    isolate.fetcher.respond = other_dispatcher(
        {"limit=500&offset=0": page_of([a, {}], 2), "limit=500&offset=2": page_of([b, gone], None)}
    )
    snapshot = isolate.body()["snapshot"]
    check(snapshot, "today", 25)
    assert [(api["id"], api["title"], api["calls"]) for api in snapshot["allApis"]] == [
        ("t:a", "A", 7),
        ("t:b", "A", 0),
    ]
    assert [api["url"] for api in snapshot["allApis"]] == [
        "https://dispatch.example/t/a",
        "https://dispatch.example/t/b",
    ]


def test_a_dispatcher_without_a_catalog_still_has_its_url_in_every_row() -> None:
    isolate = upstream()
    isolate.fetcher.respond = other_dispatcher({})
    snapshot = isolate.body()["snapshot"]
    check(snapshot, "today", 25)
    assert snapshot["catalog"] is None
    assert [api["url"] for api in snapshot["allApis"]] == ["https://dispatch.example/t/a"]


@pytest.mark.parametrize("following", [0, -1, 10**9, "2", True, None])
def test_a_catalog_whose_pages_do_not_end_is_read_once(following: Json) -> None:
    isolate = upstream()
    page = page_of([{"endpoint": "/t/a", "id": "t:a", "withdrawn": False}] * 2, following)
    isolate.fetcher.respond = other_dispatcher({"limit=500&offset=0": page})
    assert isolate.body()["snapshot"]["catalog"]["live"] == 1
    assert len(isolate.fetcher.sent) == 2


def test_an_api_at_the_root_of_another_host_is_called_there() -> None:
    isolate = upstream()
    body = upstream_body()
    body["snapshot"]["allApis"][0]["endpoint"] = "/"
    isolate.set_upstream(body)
    (api,) = isolate.body()["snapshot"]["allApis"]
    assert (api["endpoint"], api["url"]) == ("/", "https://dispatch.example/")
