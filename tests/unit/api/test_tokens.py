"""Tokens by name, scope and time, as the settings have them, and what is said of mistakes."""

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


def access(tokens: Any, at_ms: int = NOON_MS, **settings: str) -> Authorizer:
    text = tokens if isinstance(tokens, str) else json.dumps(tokens)
    environment = FakeEnvironment(settings={"PLATFORM_TOKENS": text, **settings})
    return Authorizer(environment, FakeClock(at_ms))


def authorize(access: Authorizer, token: str, path: str = "/__platform/analytics") -> None:
    headers = {"authorization": f"Bearer {token}"}
    asyncio.run(access.authorize(headers, path, {}))


def is_open(access: Authorizer, token: str, path: str = "/__platform/analytics") -> bool:
    try:
        authorize(access, token, path)
    except Unauthorized:
        return False
    return True


@pytest.mark.parametrize(("scope", "token"), [(ANALYTICS_READ, MONITOR), (EVENTS_READ, BOOKS)])
def test_a_token_opens_the_routes_of_its_scope_and_no_others(scope: str, token: str) -> None:
    opened = {path for path in ROUTES if is_open(access(ENTRIES), token, path)}
    assert opened == {path for path, needed in SCOPE_OF.items() if needed == scope}


def test_admin_opens_everything_and_nothing_else_opens_what_has_no_scope_of_its_own() -> None:
    assert all(is_open(access(ENTRIES), OPERATOR, path) for path in ROUTES)
    for path in ("/__platform/compact", "/__platform/a-route-of-tomorrow"):
        assert not is_open(access(ENTRIES), MONITOR, path)
        assert not is_open(access(ENTRIES), BOOKS, path)


def test_the_one_token_of_old_opens_everything_beside_the_others() -> None:
    both = access(ENTRIES, PLATFORM_ANALYTICS_TOKEN="old")
    assert all(is_open(both, "old", path) for path in ROUTES)
    assert is_open(both, MONITOR)


def test_a_token_for_other_routes_is_told_which_scope_it_lacks() -> None:
    with pytest.raises(ScopeMissing) as caught:
        authorize(access(ENTRIES), MONITOR, "/__platform/events")
    assert (caught.value.status, caught.value.code) == (401, "unauthorized")
    assert caught.value.evidence == {"requiredScope": EVENTS_READ}
    assert 'error="insufficient_scope", scope="events:read"' in caught.value.headers[0][1]


def test_two_tokens_of_one_purpose_are_valid_at_once_and_one_without_the_other() -> None:
    old, new = entry("site-1", MONITOR, ANALYTICS_READ), entry("site-2", BOOKS, ANALYTICS_READ)
    for entries, valid in [([old], {MONITOR}), ([old, new], {MONITOR, BOOKS}), ([new], {BOOKS})]:
        assert {token for token in (MONITOR, BOOKS) if is_open(access(entries), token)} == valid


def test_a_token_ends_when_it_is_said_to_and_its_holder_is_told_so() -> None:
    entries = [entry("guest", MONITOR, ANALYTICS_READ, notAfter="2026-11-22T13:00:00+01:00")]
    assert is_open(access(entries, NOON_MS), MONITOR)
    with pytest.raises(TokenExpired) as caught:
        authorize(access(entries, NOON_MS + 1), MONITOR)
    assert caught.value.evidence == {"expiredAt": "2026-11-22T12:00:00.000Z"}
    assert "guest" in caught.value.message


def test_a_valid_token_counts_beside_one_that_has_expired() -> None:
    entries = [
        entry("old", MONITOR, ANALYTICS_READ, notAfter="2026-01-01T00:00Z"),
        entry("new", BOOKS, ANALYTICS_READ),
    ]
    headers = {"authorization": f"Bearer {MONITOR}", "x-platform-token": BOOKS}
    asyncio.run(access(entries).authorize(headers, "/__platform/analytics", {}))


def test_tokens_that_end_soon_or_have_ended_are_named() -> None:
    entries = [
        entry("ended", MONITOR, ADMIN, notAfter="2026-11-22T11:00Z"),
        entry("ends", BOOKS, ADMIN, notAfter="2026-12-01T00:00Z"),
        entry("stays", OPERATOR, ADMIN, notAfter="2026-12-31T00:00Z"),
    ]
    assert access(entries).notices == [
        ("token_ends", "The token ended expired at 2026-11-22T11:00:00.000Z."),
        ("token_ends", "The token ends expires at 2026-12-01T00:00:00.000Z."),
    ]


def test_a_short_token_is_named_and_a_short_listed_one_opens_nothing() -> None:
    short = access([entry("short", "hunter2", ADMIN)], PLATFORM_ANALYTICS_TOKEN="hunter3")
    assert is_open(short, "hunter3")
    assert not is_open(short, "hunter2")
    [(code, sentence)] = short.notices
    assert code == "token_weak"
    assert sentence.startswith("PLATFORM_ANALYTICS_TOKEN is shorter than 24 characters")


SECRET = "a-token-that-stands-in-the-wrong-place"


@pytest.mark.parametrize(
    ("mistake", "reason"),
    [
        (SECRET, "it must be an object"),
        ({**ENTRIES[0], "notafter": "2026-12-31T00:00Z"}, "its fields may be"),
        ({**ENTRIES[0], "token": SECRET}, "its fields may be"),
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
def test_an_entry_with_a_mistake_opens_nothing_and_is_named_without_its_values(
    mistake: Any, reason: str
) -> None:
    wrong = access([ENTRIES[1], mistake])
    assert [reason in sentence for sentence in wrong.mistakes] == [True]
    assert wrong.mistakes[0].startswith("PLATFORM_TOKENS[1]")
    assert SECRET not in wrong.mistakes[0]
    assert not is_open(wrong, MONITOR)
    assert is_open(wrong, BOOKS, "/__platform/events")


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
def test_a_setting_that_is_no_list_opens_nothing_and_is_named(text: str) -> None:
    wrong = access(text)
    assert [sentence.partition(" ")[0] for sentence in wrong.mistakes] == ["PLATFORM_TOKENS"]
    assert SECRET not in wrong.mistakes[0]
    with pytest.raises(Unauthorized, match="closed"):
        authorize(wrong, MONITOR)
    assert is_open(access(text, PLATFORM_ANALYTICS_TOKEN="old"), "old")


def test_white_space_around_the_one_token_is_a_mistake_that_is_named() -> None:
    [mistake] = access([], PLATFORM_ANALYTICS_TOKEN=f"{OPERATOR}\n").mistakes
    assert "white space" in mistake
    assert OPERATOR not in mistake


def test_what_is_told_of_tokens_is_their_names_scopes_and_ends() -> None:
    entries = [*ENTRIES[:1], entry("guest", BOOKS, *SCOPES, notAfter="2026-12-31T00:00Z")]
    assert access(entries).report() == {
        "publicAnalytics": False,
        "tokens": [
            {"name": "monitor", "scopes": ["analytics:read"], "notAfter": None},
            {"name": "guest", "scopes": sorted(SCOPES), "notAfter": "2026-12-31T00:00:00.000Z"},
        ],
    }
