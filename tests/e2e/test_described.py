"""The running Worker answers what its OpenAPI document says, whatever it is asked."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import routes as api_routes
from tests.fuzz.campaign import Round, run_round, target_at
from tests.fuzz.settings import operations_of
from tests.fuzz.traffic import make_traffic

from .caller import eventually
from .conftest import TOKEN
from .paid_dispatcher import PaidDispatcher

SEED = 20_261_123
EXAMPLES = 8

HEADERS = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def found(
    shared_paid_dispatcher: PaidDispatcher, tmp_path_factory: pytest.TempPathFactory
) -> Round:
    """What a short run of schemathesis finds in a dispatcher that has something to show."""
    shared_paid_dispatcher.proxy.reset()
    make_traffic(shared_paid_dispatcher)
    target = target_at(shared_paid_dispatcher.server.url, TOKEN)
    return run_round(target, tmp_path_factory.mktemp("fuzz"), SEED, EXAMPLES)


def test_nothing_is_answered_that_is_not_described(found: Round) -> None:
    assert found.passed, found.output


def test_every_operation_was_tried_and_answered_well_and_badly(found: Round) -> None:
    tried = {response.rpartition(" ")[0] for response in found.responses}
    assert tried >= operations_of(api_routes.ROUTES)
    statuses = {int(response.rpartition(" ")[2]) for response in found.responses}
    assert {200, 400, 402, 404, 405} <= statuses


def test_a_route_is_answered_at_its_path_with_each_of_its_methods(
    paid_dispatcher: PaidDispatcher,
) -> None:
    now = datetime.now(UTC)
    query = {"from": f"{now:%Y-%m-%dT%H:00Z}", "to": f"{now:%Y-%m-%dT%H:01Z}"}
    for route in api_routes.ROUTES:
        for method in route.methods:
            url = f"{paid_dispatcher.server.url}{route.path}"
            parameters = query if route is api_routes.COMPACT else None
            response = httpx.request(method, url, params=parameters, headers=HEADERS, timeout=60)
            assert response.status_code == 200, (method, route.path, response.text)


def test_every_route_with_a_scope_is_closed_without_a_token(
    paid_dispatcher: PaidDispatcher,
) -> None:
    for route in api_routes.ROUTES:
        for method in route.methods:
            response = httpx.request(
                method, f"{paid_dispatcher.server.url}{route.path}", timeout=60
            )
            assert (response.status_code == 401) is (route.scope is not None), route.path


def _planted(document: dict[str, Any]) -> dict[str, Any]:
    """Leave one field of one answer, and one header of another, out of the description."""
    del document["components"]["schemas"]["Event"]["properties"]["status"]
    document["components"]["schemas"]["Event"]["required"].remove("status")
    del document["paths"]["/health"]["get"]["responses"]["200"]["headers"]["cache-control"]
    paths = document["paths"]
    document["paths"] = {name: paths[name] for name in ("/health", "/__platform/events")}
    return document


def test_an_undescribed_field_and_an_undescribed_header_are_found(
    paid_dispatcher: PaidDispatcher, tmp_path: Path
) -> None:
    assert paid_dispatcher.caller.request("/t/given/").status_code == 200
    eventually(lambda: paid_dispatcher.caller.events("given"), "an event to describe")
    target = target_at(paid_dispatcher.server.url, TOKEN)
    planted = replace(target, document=json.dumps(_planted(json.loads(target.document))))
    found = run_round(planted, tmp_path, SEED, 1)
    assert not found.passed
    assert "'status' was unexpected" in found.output
    assert "undescribed headers: ['cache-control']" in found.output
