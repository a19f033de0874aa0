"""Platform routes need the token; without a configured token they are closed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.launch import Server

from .caller import Caller
from .conftest import TOKEN, Starter
from .marketplace import tenant

ROUTES = ["analytics", "analytics?window=today", "events", "health", "", "no-such-route"]
WRONG_HEADERS = [
    {},
    {"authorization": ""},
    {"authorization": "Bearer"},
    {"authorization": "Bearer wrong"},
    {"authorization": f"Bearer {TOKEN}x"},
    {"authorization": f"Bearer {TOKEN[:-1]}"},
    {"authorization": f"Bearer {TOKEN.upper()}"},
    {"authorization": f"Basic {TOKEN}"},
    {"authorization": TOKEN},
    {"x-platform-token": ""},
    {"x-platform-token": "wrong"},
    {"x-platform-token": f"Bearer {TOKEN}"},
    {"x-api-key": TOKEN},
    {"cookie": f"x-platform-token={TOKEN}"},
]


def assert_closed(caller: Caller, target: str, headers: dict[str, str]) -> None:
    response = caller.request(target, headers=headers)
    assert (response.status_code, response.json()["error"]) == (401, "unauthorized"), headers
    assert TOKEN not in response.text


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_needs_the_token(caller: Caller, route: str) -> None:
    assert_closed(caller, f"/__platform/{route}", {})


@pytest.mark.parametrize("headers", WRONG_HEADERS, ids=str)
def test_only_the_exact_token_is_accepted(caller: Caller, headers: dict[str, str]) -> None:
    assert_closed(caller, "/__platform/analytics?window=today", headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {TOKEN}"},
        {"authorization": f"bearer {TOKEN}"},
        {"x-platform-token": TOKEN},
        {"authorization": "Bearer of-something-else", "x-platform-token": TOKEN},
    ],
    ids=str,
)
def test_the_token_is_accepted_in_either_header(caller: Caller, headers: dict[str, str]) -> None:
    response = caller.request("/__platform/analytics?window=today", headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize("name", ["token", "access_token", "x-platform-token", "TOKEN"])
def test_a_token_in_the_query_is_refused(caller: Caller, name: str) -> None:
    assert_closed(caller, f"/__platform/analytics?window=today&{name}={TOKEN}", {})
    # Even beside a correct header, because URLs are logged.
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert_closed(caller, f"/__platform/analytics?window=today&{name}={TOKEN}", headers)


DIRECTORY = {"tenants": [tenant("mirror", "mirror")]}
WITHOUT_TOKEN = {"PLATFORM_ANALYTICS_TOKEN": ""}


@pytest.fixture(scope="module")
def unconfigured(start: Starter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A dispatcher without a configured token."""
    with start(tmp_path_factory.mktemp("closed"), DIRECTORY, WITHOUT_TOKEN) as server:
        yield server


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("headers", WRONG_HEADERS[:6], ids=str)
def test_without_a_configured_token_every_route_is_closed(
    unconfigured: Server, route: str, headers: dict[str, str]
) -> None:
    with Caller(unconfigured.url, "") as caller:
        assert_closed(caller, f"/__platform/{route}", headers)


def test_without_a_configured_token_tenants_are_served(unconfigured: Server) -> None:
    with Caller(unconfigured.url, "") as caller:
        assert caller.request("/t/mirror/").status_code == 200


def test_only_analytics_can_be_made_public(start: Starter, tmp_path: Path) -> None:
    variables = {**WITHOUT_TOKEN, "ALLOW_PUBLIC_PLATFORM_ANALYTICS": "true"}
    with start(tmp_path, DIRECTORY, variables) as server, Caller(server.url, "") as caller:
        assert caller.request("/__platform/analytics?window=today").status_code == 200
        assert caller.request("/__platform/analytics").status_code == 200
        for route in ("events", "health", "", "no-such-route", "analytics/", "analytics/x"):
            assert_closed(caller, f"/__platform/{route}", {})
        assert_closed(caller, f"/__platform/analytics?token={TOKEN}", {})
