"""`/openapi.json` at the dispatcher's own host: public, cached, and never a tenant's."""

from __future__ import annotations

import json
from typing import Any

from core import keys
from core.constants import DIRECTORY_CACHE_SECONDS
from core.ports import ProxyResponse, Response
from tests.support.dispatcher_scene import Scene, error
from tests.support.fakes import FakeEnvironment, FakeStore
from tests.unit.tenants.test_records import REQUIRED


def paths(scene: Scene) -> list[str]:
    """Return the paths of the catalog."""
    response = scene.request("/openapi.json")
    assert isinstance(response, Response)
    assert response.status == 200, response.body
    document: dict[str, Any] = json.loads(response.body)
    return [*document["paths"]]


def test_the_catalog_has_the_apis_of_kv_and_of_the_variable() -> None:
    stored = json.dumps({**REQUIRED, "slug": "stored"})
    store = FakeStore(values={keys.tenant("stored"): (stored, None)})
    scene = Scene(environment=FakeEnvironment(tenant_store=store))
    assert {"/t/stored", "/t/weather", "/t/paid"} <= {*paths(scene)}
    assert not scene.events, "it is no call"


def test_it_is_made_anew_after_half_a_minute_only() -> None:
    store = FakeStore()
    scene = Scene(environment=FakeEnvironment(tenant_store=store))
    assert "/t/new" not in paths(scene)
    record = json.dumps({**REQUIRED, "slug": "new"})
    store.values[keys.tenant("new")] = (record, None)
    reads = len(store.operations)
    assert "/t/new" not in paths(scene)
    assert len(store.operations) - reads <= 1, "the host's lookup at most"
    scene.clock.at_ms += (DIRECTORY_CACHE_SECONDS + 1) * 1_000
    assert "/t/new" in paths(scene)


def test_an_outage_serves_the_last_one_or_says_so() -> None:
    store = FakeStore()
    scene = Scene(environment=FakeEnvironment(tenant_store=store))
    known = paths(scene)
    scene.clock.at_ms += (DIRECTORY_CACHE_SECONDS + 1) * 1_000
    store.unavailable = True
    assert paths(scene) == known
    other = Scene(environment=FakeEnvironment(tenant_store=FakeStore(unavailable=True)))
    assert error(other.request("/openapi.json"))["status"] == 500


def test_a_page_of_any_origin_may_read_it_and_keep_it() -> None:
    scene = Scene()
    response = scene.request("/openapi.json")
    assert isinstance(response, Response)
    headers = dict(response.headers)
    assert headers["access-control-allow-origin"] == "*"
    again = scene.request("/openapi.json", headers={"if-none-match": headers["etag"]})
    assert isinstance(again, Response)
    assert (again.status, again.body) == (304, "")
    assert error(scene.request("/openapi.json", "POST"))["error"] == "method_not_allowed"


def test_at_a_tenants_host_it_is_the_tenants() -> None:
    assert isinstance(Scene().request("http://fx.example/openapi.json"), ProxyResponse)
