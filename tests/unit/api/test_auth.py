"""The platform API is closed unless a token opens it."""

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
def test_the_right_token_opens_every_route(route: str, headers: Mapping[str, str]) -> None:
    Scene().ask(route, headers=headers)


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
def test_any_other_token_is_refused_before_anything_else(
    route: str, headers: Mapping[str, str]
) -> None:
    refusal = Scene().refusal(route, headers=headers)
    assert isinstance(refusal, Unauthorized)
    assert dict(refusal.headers)["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("headers", [{}, TOKEN, {"x-platform-token": ""}])
@pytest.mark.parametrize("settings", [{}, {"PLATFORM_ANALYTICS_TOKEN": ""}])
def test_no_token_configured_means_closed(
    headers: Mapping[str, str], settings: dict[str, str]
) -> None:
    scene = Scene(FakeEnvironment(settings=settings))
    refusal = scene.refusal(ROUTES[0], headers=headers)
    assert isinstance(refusal, Unauthorized)
    assert "PLATFORM_ANALYTICS_TOKEN is not configured" in refusal.message


def test_public_analytics_opens_analytics_alone() -> None:
    settings = {**SETTINGS, "ALLOW_PUBLIC_PLATFORM_ANALYTICS": "true"}
    scene = Scene(FakeEnvironment(settings=settings))
    scene.ask("/__platform/analytics", headers={})
    for route in ROUTES[1:]:
        assert isinstance(scene.refusal(route, headers={}), Unauthorized)


@pytest.mark.parametrize("value", ["false", "1", "yes", ""])
def test_only_true_makes_analytics_public(value: str) -> None:
    settings = {**SETTINGS, "ALLOW_PUBLIC_PLATFORM_ANALYTICS": value}
    scene = Scene(FakeEnvironment(settings=settings))
    assert isinstance(scene.refusal("/__platform/analytics", headers={}), Unauthorized)


@pytest.mark.parametrize(
    "query", ["?token=right", "?window=today&access_token=x", "?TOKEN=right", "?%74oken=right"]
)
def test_a_token_in_the_query_is_refused_even_beside_a_right_one(query: str) -> None:
    refusal = Scene().refusal("/__platform/analytics", query)
    assert isinstance(refusal, Unauthorized)
    assert "query" in refusal.message
