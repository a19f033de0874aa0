"""Every attack fails, and succeeds if its guard is removed."""

from __future__ import annotations

import pytest

from tests.security.guard import Guard
from tests.security.on_data import ON_DATA
from tests.security.on_requests import ON_REQUESTS
from tests.security.on_spellings import ODD_SPELLINGS, ON_SPELLINGS, TENANT_HOST
from tests.security.on_tenants import ON_TENANTS
from tests.security.on_tokens import ON_TOKENS
from tests.support.dispatcher_scene import Scene
from tests.support.fakes import FakeEnvironment

GUARDS = (*ON_TOKENS, *ON_TENANTS, *ON_SPELLINGS, *ON_REQUESTS, *ON_DATA)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_an_attack_fails_because_of_its_guard(guard: Guard) -> None:
    assert guard.holds(), f"possible: {guard.name}"
    assert guard.is_needed(), f"still impossible without {guard.old!r}: {guard.name}"
    assert guard.holds(), "the guard was not restored"


def test_attacks_have_different_names() -> None:
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)


@pytest.mark.parametrize("path", ODD_SPELLINGS)
def test_no_spelling_of_a_platform_path_reaches_a_tenant(path: str) -> None:
    scene = Scene(environment=FakeEnvironment())
    scene.request(TENANT_HOST + path)
    assert scene.sent == []


@pytest.mark.parametrize(
    "path", ["/__platforms", "/__platform-x", "/a/__platform", "/x;y/z", "/a%2Fb", "/%", "/a;b"]
)
def test_other_paths_reach_the_tenant_unchanged(path: str) -> None:
    scene = Scene(environment=FakeEnvironment())
    scene.request(TENANT_HOST + path)
    assert [sent.url or sent.request.url for sent in scene.sent] == [TENANT_HOST + path]
