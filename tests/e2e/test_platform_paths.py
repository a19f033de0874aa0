"""No spelling of `__platform` reaches a tenant, at any host."""

import pytest

from .caller import Caller
from .marketplace import MIRROR_HOST

SPELLINGS = [
    "/__platform",
    "/__platform/",
    "/__platform/analytics",
    "/__platform/analytics?window=today",
    "/__platform/no-such-route",
    "/%5f_platform/analytics",
    "/%5F%5Fplatform/analytics",
    "/_%5Fpl%61tform/analytics",
    "/__platform%2Fanalytics",
    "//__platform/analytics",
    "///__platform",
    "/./__platform/analytics",
    "/x/../__platform/analytics",
    "/x/%2e%2e/__platform/analytics",
    "/\\__platform/analytics",
    "/__platform\\analytics",
]


@pytest.mark.parametrize("host", [None, MIRROR_HOST])
@pytest.mark.parametrize("target", SPELLINGS)
def test_no_spelling_reaches_a_tenant_or_opens_without_a_token(
    caller: Caller, target: str, host: str | None
) -> None:
    response = caller.request(target, host=host)
    assert response.status_code in {401, 404}, response.text
    assert "x-tenant-id" not in response.headers
    assert response.json()["error"] in {"unauthorized", "not_found", "tenant_not_found"}


@pytest.mark.parametrize(
    "target", ["/t/mirror/../../__platform/analytics", "/t/mirror/%2e%2e/%2e%2e/__platform/health"]
)
def test_leaving_a_tenants_path_needs_the_token(caller: Caller, target: str) -> None:
    response = caller.request(target)
    assert (response.status_code, response.json()["error"]) == (401, "unauthorized")


def test_the_platform_is_served_at_a_tenants_host_too(caller: Caller) -> None:
    headers = {"authorization": f"Bearer {caller.token}"}
    response = caller.request("/__platform/health", host=MIRROR_HOST, headers=headers)
    assert response.status_code == 200
    assert "x-tenant-id" not in response.headers
    assert response.json()["ok"] is True


def test_other_paths_with_that_prefix_belong_to_the_tenant(caller: Caller) -> None:
    for target in ("/__platforms", "/__platform-guide/x", "/a/__platform"):
        assert caller.request(target, host=MIRROR_HOST).headers["x-tenant-id"] == "ten_mirror"
