"""The plan of the demo's requests."""

import json

from dev.demo.traffic import MIX, plan

from .stand_in import TENANTS_FILE

SLUGS = {tenant["slug"] for tenant in json.loads(TENANTS_FILE.read_text())["tenants"]}


def test_the_same_seed_plans_the_same_requests() -> None:
    assert plan(200, seed=7) == plan(200, seed=7)
    assert plan(200, seed=7) != plan(200, seed=8)


def test_a_plan_has_the_requested_number_of_requests() -> None:
    assert [len(plan(count, seed=1)) for count in (1, 2, 500)] == [1, 2, 500]


def test_published_and_unknown_apis_are_called() -> None:
    # `sampler` is excluded: its limits would reject the busiest callers.
    called = SLUGS - {"sampler"}
    for seed in range(20):
        assert {request.api for request in plan(len(MIX), seed)} == called | {None}


def test_methods_callers_hosts_and_uploads_vary() -> None:
    requests = plan(500, seed=3)
    assert {"GET", "HEAD", "POST", "PUT", "DELETE"} <= {request.method for request in requests}
    assert {"x-agent-id", "x-api-key"} == {name for request in requests for name in request.headers}
    assert len({tuple(request.headers.values()) for request in requests}) >= 15
    assert len({request.host for request in requests}) == 4
    assert max(request.body_bytes for request in requests) >= 1_000_000


def test_paths_belong_to_the_called_api() -> None:
    for request in plan(500, seed=4):
        if request.host is None:
            slug = request.path.split("/")[2]
            assert slug == request.api or (request.api is None and slug not in SLUGS)
