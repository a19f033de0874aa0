"""The platform API needs a valid token."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from core.errors import Unauthorized
from tests.support.fakes import FakeEnvironment
from tests.support.platform_scene import RIGHT, ROUTES, SETTINGS, TOKEN, Scene


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {RIGHT}"},
        {"authorization": f"bearer {RIGHT}"},
        {"x-platform-token": RIGHT},
        {"authorization": "Bearer wrong", "x-platform-token": RIGHT},
    ],
)
def test_a_valid_token_is_accepted_on_every_route(route: str, headers: Mapping[str, str]) -> None:
    Scene().body(route, headers=headers)


@pytest.mark.parametrize("route", [*ROUTES, "/__platform", "/__platform/nope"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer "},
        {"authorization": RIGHT},
        {"authorization": f"Basic {RIGHT}"},
        {"x-platform-token": ""},
        {"x-platform-token": f"{RIGHT}2"},
        {"x-platform-token": RIGHT.title()},
        {"x-platform-token": "réght"},
    ],
)
def test_any_other_token_is_rejected_before_the_path_is_checked(
    route: str, headers: Mapping[str, str]
) -> None:
    error = Scene().error(route, headers=headers)
    assert isinstance(error, Unauthorized)
    assert dict(error.headers)["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("headers", [{}, TOKEN, {"x-platform-token": ""}])
@pytest.mark.parametrize("settings", [{}, {"PLATFORM_ANALYTICS_TOKEN": ""}])
def test_without_a_configured_token_the_platform_api_is_closed(
    headers: Mapping[str, str], settings: dict[str, str]
) -> None:
    scene = Scene(FakeEnvironment(settings=settings))
    error = scene.error(ROUTES[0], headers=headers)
    assert isinstance(error, Unauthorized)
    assert "PLATFORM_ANALYTICS_TOKEN is not configured" in error.message


def test_public_analytics_opens_the_analytics_route_only() -> None:
    settings = {**SETTINGS, "ALLOW_PUBLIC_PLATFORM_ANALYTICS": "true"}
    scene = Scene(FakeEnvironment(settings=settings))
    scene.body("/__platform/analytics", headers={})
    for route in ROUTES[1:]:
        assert isinstance(scene.error(route, headers={}), Unauthorized)


@pytest.mark.parametrize("value", ["false", "1", "yes", ""])
def test_only_true_makes_analytics_public(value: str) -> None:
    settings = {**SETTINGS, "ALLOW_PUBLIC_PLATFORM_ANALYTICS": value}
    scene = Scene(FakeEnvironment(settings=settings))
    assert isinstance(scene.error("/__platform/analytics", headers={}), Unauthorized)


@pytest.mark.parametrize(
    "query", ["?token=right", "?window=today&access_token=x", "?TOKEN=right", "?%74oken=right"]
)
def test_a_token_in_the_query_is_rejected_even_beside_a_valid_one(query: str) -> None:
    error = Scene().error("/__platform/analytics", query)
    assert isinstance(error, Unauthorized)
    assert "query" in error.message
