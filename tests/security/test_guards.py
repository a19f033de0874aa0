"""No attack gets through, and each does when its guard is taken out."""

from __future__ import annotations

import pytest

from tests.security.guard import Guard
from tests.security.on_data import ON_DATA
from tests.security.on_requests import ON_REQUESTS
from tests.security.on_spellings import ODD_SPELLINGS, ON_SPELLINGS, TENANT_HOST
from tests.security.on_tokens import ON_TOKENS
from tests.support.dispatcher_scene import Scene
from tests.support.fakes import FakeEnvironment

GUARDS = (*ON_TOKENS, *ON_SPELLINGS, *ON_REQUESTS, *ON_DATA)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_stops_its_attack_and_nothing_else_does(guard: Guard) -> None:
    assert guard.holds(), f"this is possible: {guard.name}"
    assert guard.is_needed(), f"without {guard.old!r} this is not possible: {guard.name}"
    assert guard.holds(), "the guard was not put back"


def test_no_attack_stands_twice() -> None:
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)


@pytest.mark.parametrize("path", ODD_SPELLINGS)
def test_no_odd_spelling_of_the_platform_reaches_a_tenant(path: str) -> None:
    scene = Scene(environment=FakeEnvironment())
    scene.request(TENANT_HOST + path)
    assert scene.sent == []


@pytest.mark.parametrize(
    "path", ["/__platforms", "/__platform-x", "/a/__platform", "/x;y/z", "/a%2Fb", "/%", "/a;b"]
)
def test_what_is_no_spelling_of_it_reaches_the_tenant_as_it_was(path: str) -> None:
    scene = Scene(environment=FakeEnvironment())
    scene.request(TENANT_HOST + path)
    assert [one.url or one.request.url for one in scene.sent] == [TENANT_HOST + path]
