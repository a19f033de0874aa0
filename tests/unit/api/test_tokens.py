"""Tokens have a name, scopes and an expiry, and unusable settings are reported without values."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import pytest

from api.auth import SCOPE_OF, Authorizer, ScopeMissing, TokenExpired
from api.tokens import ADMIN, ANALYTICS_READ, EVENTS_READ, SCOPES
from core.errors import Unauthorized
from tests.support.fakes import NOON_MS, FakeClock, FakeEnvironment

MONITOR = "monitor-token-of-the-unit-tests"
BOOKS = "books-token-of-the-unit-tests"
OPERATOR = "operator-token-of-the-unit-tests"
ROUTES = [*SCOPE_OF, "/__platform/compact", "/__platform/nope", "/__platform"]


def entry(name: str, token: str, *scopes: str, **fields: Any) -> dict[str, Any]:
    digest = hashlib.sha256(token.encode()).hexdigest()
    return {"name": name, "scopes": [*scopes], "sha256": digest, **fields}


ENTRIES = [
    entry("monitor", MONITOR, ANALYTICS_READ),
    entry("books", BOOKS, EVENTS_READ),
    entry("operator", OPERATOR, ADMIN),
]


def authorizer_with(tokens: Any, at_ms: int = NOON_MS, **settings: str) -> Authorizer:
    text = tokens if isinstance(tokens, str) else json.dumps(tokens)
    environment = FakeEnvironment(settings={"PLATFORM_TOKENS": text, **settings})
    return Authorizer(environment, FakeClock(at_ms))


def authorize(authorizer: Authorizer, token: str, path: str = "/__platform/analytics") -> None:
    headers = {"authorization": f"Bearer {token}"}
    asyncio.run(authorizer.authorize(headers, path, {}))


def is_authorized(authorizer: Authorizer, token: str, path: str = "/__platform/analytics") -> bool:
    try:
        authorize(authorizer, token, path)
    except Unauthorized:
        return False
    return True


@pytest.mark.parametrize(("scope", "token"), [(ANALYTICS_READ, MONITOR), (EVENTS_READ, BOOKS)])
def test_a_token_is_accepted_on_the_routes_of_its_scope_only(scope: str, token: str) -> None:
    accepted = {path for path in ROUTES if is_authorized(authorizer_with(ENTRIES), token, path)}
    assert accepted == {path for path, needed in SCOPE_OF.items() if needed == scope}


def test_admin_includes_every_scope_and_routes_without_a_scope_need_admin() -> None:
    assert all(is_authorized(authorizer_with(ENTRIES), OPERATOR, path) for path in ROUTES)
    for path in ("/__platform/compact", "/__platform/future-route"):
        assert not is_authorized(authorizer_with(ENTRIES), MONITOR, path)
        assert not is_authorized(authorizer_with(ENTRIES), BOOKS, path)


def test_the_single_token_is_valid_for_everything_beside_the_listed_tokens() -> None:
    both = authorizer_with(ENTRIES, PLATFORM_ANALYTICS_TOKEN="old")
    assert all(is_authorized(both, "old", path) for path in ROUTES)
    assert is_authorized(both, MONITOR)


def test_a_token_without_the_scope_gets_an_error_that_names_the_scope() -> None:
    with pytest.raises(ScopeMissing) as caught:
        authorize(authorizer_with(ENTRIES), MONITOR, "/__platform/events")
    assert (caught.value.status, caught.value.code) == (401, "unauthorized")
    assert caught.value.evidence == {"requiredScope": EVENTS_READ}
    assert 'error="insufficient_scope", scope="events:read"' in caught.value.headers[0][1]


def test_during_a_rotation_both_tokens_are_valid() -> None:
    old, new = entry("site-1", MONITOR, ANALYTICS_READ), entry("site-2", BOOKS, ANALYTICS_READ)
    for entries, valid in [([old], {MONITOR}), ([old, new], {MONITOR, BOOKS}), ([new], {BOOKS})]:
        assert {
            token for token in (MONITOR, BOOKS) if is_authorized(authorizer_with(entries), token)
        } == valid


def test_an_expired_token_gets_an_error_with_the_time_of_expiry() -> None:
    entries = [entry("guest", MONITOR, ANALYTICS_READ, notAfter="2026-11-22T13:00:00+01:00")]
    assert is_authorized(authorizer_with(entries, NOON_MS), MONITOR)
    with pytest.raises(TokenExpired) as caught:
        authorize(authorizer_with(entries, NOON_MS + 1), MONITOR)
    assert caught.value.evidence == {"expiredAt": "2026-11-22T12:00:00.000Z"}
    assert "guest" in caught.value.message


def test_a_valid_token_is_accepted_beside_an_expired_one() -> None:
    entries = [
        entry("old", MONITOR, ANALYTICS_READ, notAfter="2026-01-01T00:00Z"),
        entry("new", BOOKS, ANALYTICS_READ),
    ]
    headers = {"authorization": f"Bearer {MONITOR}", "x-platform-token": BOOKS}
    asyncio.run(authorizer_with(entries).authorize(headers, "/__platform/analytics", {}))


def test_expired_tokens_and_those_that_expire_soon_are_notices() -> None:
    entries = [
        entry("ended", MONITOR, ADMIN, notAfter="2026-11-22T11:00Z"),
        entry("ends", BOOKS, ADMIN, notAfter="2026-12-01T00:00Z"),
        entry("stays", OPERATOR, ADMIN, notAfter="2026-12-31T00:00Z"),
    ]
    assert authorizer_with(entries).notices == [
        ("token_ends", "The token ended expired at 2026-11-22T11:00:00.000Z."),
        ("token_ends", "The token ends expires at 2026-12-01T00:00:00.000Z."),
    ]


def test_a_short_single_token_is_a_notice_and_a_short_listed_token_is_rejected() -> None:
    short = authorizer_with([entry("short", "hunter2", ADMIN)], PLATFORM_ANALYTICS_TOKEN="hunter3")
    assert is_authorized(short, "hunter3")
    assert not is_authorized(short, "hunter2")
    [(code, sentence)] = short.notices
    assert code == "token_weak"
    assert sentence.startswith("PLATFORM_ANALYTICS_TOKEN is shorter than 24 characters")


SECRET = "a-token-in-the-wrong-place"


@pytest.mark.parametrize(
    ("invalid", "reason"),
    [
        (SECRET, "it must be an object"),
        ({**ENTRIES[0], "notafter": "2026-12-31T00:00Z"}, "its only fields may be"),
        ({**ENTRIES[0], "token": SECRET}, "its only fields may be"),
        ({**ENTRIES[0], "name": ""}, "name must be"),
        ({**ENTRIES[0], "name": "two words"}, "name must be"),
        ({**ENTRIES[0], "name": None}, "name must be"),
        ({**ENTRIES[0], "name": "books"}, "another token has the same name"),
        ({**ENTRIES[0], "scopes": []}, "scopes must be"),
        ({**ENTRIES[0], "scopes": "admin"}, "scopes must be"),
        ({**ENTRIES[0], "scopes": ["analytics:read", "analytics:write"]}, "scopes must be"),
        ({**ENTRIES[0], "scopes": [["admin"]]}, "scopes must be"),
        ({**ENTRIES[0], "sha256": SECRET}, "sha256 must be"),
        ({**ENTRIES[0], "sha256": hashlib.sha256(b"").hexdigest()}, "of an empty token"),
        ({**ENTRIES[0], "sha256": ENTRIES[1]["sha256"]}, "has the same token"),
        ({**ENTRIES[0], "notAfter": "2026-12-31T00:00"}, "notAfter must be"),
        ({**ENTRIES[0], "notAfter": "soon"}, "notAfter must be"),
        ({**ENTRIES[0], "notAfter": None}, "notAfter must be"),
        ({**ENTRIES[0], "notAfter": 1_800_000_000}, "notAfter must be"),
    ],
    ids=str,
)
def test_an_invalid_entry_is_ignored_and_reported_without_its_values(
    invalid: Any, reason: str
) -> None:
    wrong = authorizer_with([ENTRIES[1], invalid])
    assert [reason in sentence for sentence in wrong.problems] == [True]
    assert wrong.problems[0].startswith("PLATFORM_TOKENS[1]")
    assert SECRET not in wrong.problems[0]
    assert not is_authorized(wrong, MONITOR)
    assert is_authorized(wrong, BOOKS, "/__platform/events")


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f'["{SECRET}"',
        json.dumps({"tokens": ENTRIES}),
        "[" * 5_000,
        json.dumps([SECRET] * 51),
        json.dumps([*ENTRIES, "x" * 16_384]),
    ],
    ids=["text", "unclosed", "object", "deep", "many", "long"],
)
def test_a_setting_that_is_not_a_list_is_ignored_and_reported(text: str) -> None:
    wrong = authorizer_with(text)
    assert [sentence.partition(" ")[0] for sentence in wrong.problems] == ["PLATFORM_TOKENS"]
    assert SECRET not in wrong.problems[0]
    with pytest.raises(Unauthorized, match="closed"):
        authorize(wrong, MONITOR)
    assert is_authorized(authorizer_with(text, PLATFORM_ANALYTICS_TOKEN="old"), "old")


def test_white_space_around_the_single_token_is_reported() -> None:
    [problem] = authorizer_with([], PLATFORM_ANALYTICS_TOKEN=f"{OPERATOR}\n").problems
    assert "white space" in problem
    assert OPERATOR not in problem


def test_the_report_contains_only_names_scopes_and_expiry_times() -> None:
    entries = [*ENTRIES[:1], entry("guest", BOOKS, *SCOPES, notAfter="2026-12-31T00:00Z")]
    assert authorizer_with(entries).report() == {
        "publicAnalytics": False,
        "tokens": [
            {
                "name": "monitor",
                "scopes": ["analytics:read"],
                "tenants": None,
                "notAfter": None,
            },
            {
                "name": "guest",
                "scopes": sorted(SCOPES),
                "tenants": None,
                "notAfter": "2026-12-31T00:00:00.000Z",
            },
        ],
    }
