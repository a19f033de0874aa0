"""The responses of the running Worker match its OpenAPI document."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import routes as api_routes
from api.explore.routes import EXPLORE_USAGE
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
    """The result of a short schemathesis run against a dispatcher that has data."""
    shared_paid_dispatcher.proxy.reset()
    make_traffic(shared_paid_dispatcher)
    target = target_at(shared_paid_dispatcher.server.url, TOKEN)
    return run_round(target, tmp_path_factory.mktemp("fuzz"), SEED, EXAMPLES)


def test_every_response_is_described(found: Round) -> None:
    assert found.passed, found.output


def test_every_operation_was_tried_with_success_and_errors(found: Round) -> None:
    tried = {response.rpartition(" ")[0] for response in found.responses}
    assert tried >= operations_of(api_routes.ROUTES)
    statuses = {int(response.rpartition(" ")[2]) for response in found.responses}
    assert {200, 400, 402, 404, 405} <= statuses


def test_every_route_responds_to_each_of_its_methods(
    paid_dispatcher: PaidDispatcher,
) -> None:
    now = datetime.now(UTC)
    query = {"from": f"{now:%Y-%m-%dT%H:00Z}", "to": f"{now:%Y-%m-%dT%H:01Z}"}
    for route in api_routes.ROUTES:
        for method in route.methods:
            url = f"{paid_dispatcher.server.url}{route.path}"
            parameters = query if route in (api_routes.COMPACT, api_routes.USAGE) else None
            if route is EXPLORE_USAGE:
                parameters = {"api": "sold"}
            body = "[]" if route is api_routes.IMPORT else None
            response = httpx.request(
                method, url, params=parameters, content=body, headers=HEADERS, timeout=60
            )
            assert response.status_code == 200, (method, route.path, response.text)


def test_every_route_with_a_scope_needs_a_token(
    paid_dispatcher: PaidDispatcher,
) -> None:
    for route in api_routes.ROUTES:
        for method in route.methods:
            response = httpx.request(
                method, f"{paid_dispatcher.server.url}{route.path}", timeout=60
            )
            assert (response.status_code == 401) is (route.scope is not None), route.path


def _without_descriptions(document: dict[str, Any]) -> dict[str, Any]:
    """Remove one field of a response and one header of another from the description."""
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
    eventually(lambda: paid_dispatcher.caller.events("given"), "an event")
    target = target_at(paid_dispatcher.server.url, TOKEN)
    incomplete = replace(
        target, document=json.dumps(_without_descriptions(json.loads(target.document)))
    )
    found = run_round(incomplete, tmp_path, SEED, 1)
    assert not found.passed
    assert "'status' was unexpected" in found.output
    assert "undescribed headers: ['cache-control']" in found.output
