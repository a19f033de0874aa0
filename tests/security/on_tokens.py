"""Attacks on the tokens of the platform API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from hmac import compare_digest
from unittest import mock

from api import auth
from api.throttling import FailedAttempts
from core.constants import AUTH_CALLERS_MAX, AUTH_FAILURES_ALL_MAX, AUTH_FAILURES_MAX
from core.errors import DispatcherError
from tests.security.guard import Guard
from tests.support.fakes import FakeEnvironment
from tests.unit.api.test_throttling import RIGHT, fail, new_authorizer, request
from tests.unit.api.test_tokens import (
    BOOKS,
    ENTRIES,
    MONITOR,
    authorizer_with,
    entry,
    is_authorized,
)


def count_comparisons_to_find_the_right_token() -> bool:
    counts = set()
    for token in (MONITOR, BOOKS, "wrong-token-of-the-unit-tests"):
        with mock.patch.object(auth, "compare_digest", side_effect=compare_digest) as compared:
            is_authorized(authorizer_with(ENTRIES), token)
        counts.add(compared.call_count)
    return counts != {len(ENTRIES)}


def time_a_comparison_that_stops_at_the_first_difference() -> bool:
    with mock.patch.object(auth, "compare_digest", side_effect=compare_digest) as compared:
        is_authorized(authorizer_with(ENTRIES), "wrong")
    return {tuple(map(len, call.args)) for call in compared.call_args_list} != {(32, 32)}


def guess_a_short_token() -> bool:
    return is_authorized(authorizer_with([entry("short", "hunter2", "admin")]), "hunter2")


def use_an_expired_token() -> bool:
    entries = [entry("guest", MONITOR, "admin", notAfter="2026-01-01T00:00Z")]
    return is_authorized(authorizer_with(entries), MONITOR)


def read_events_with_an_analytics_token() -> bool:
    return is_authorized(authorizer_with(ENTRIES), MONITOR, "/__platform/events")


def use_a_route_without_a_scope() -> bool:
    return is_authorized(authorizer_with(ENTRIES), MONITOR, "/__platform/future-route")


def read_events_because_analytics_are_public() -> bool:
    public = authorizer_with(ENTRIES, ALLOW_PUBLIC_PLATFORM_ANALYTICS="true")
    return is_authorized(public, "wrong", "/__platform/events")


def send_a_token_in_the_query() -> bool:
    return _is_accepted({"x-platform-token": RIGHT}, {"token": RIGHT})


def use_a_token_with_a_misspelt_end() -> bool:
    entries = [{**ENTRIES[0], "notafter": "2020-01-01T00:00Z"}]
    return is_authorized(authorizer_with(entries), MONITOR)


def configure_an_empty_token() -> bool:
    empty = {**ENTRIES[0], "sha256": hashlib.sha256(b"").hexdigest()}
    return len(authorizer_with([empty]).report()["tokens"]) > 0


def use_a_token_with_an_unknown_scope() -> bool:
    entries = [{**ENTRIES[0], "scopes": ["analytics:read", "all"]}]
    return is_authorized(authorizer_with(entries), MONITOR)


def read_a_token_in_a_reported_problem() -> bool:
    return "hunter2" in json.dumps(authorizer_with(json.dumps({"hunter2": 1})).problems)


def guess_tokens_without_limit() -> bool:
    authorizer = new_authorizer()
    fail(authorizer, AUTH_FAILURES_MAX)
    return request(authorizer, RIGHT) == 200


def lock_others_out_by_failing() -> bool:
    authorizer = new_authorizer()
    fail(authorizer, AUTH_FAILURES_MAX, "198.51.100.1")
    return request(authorizer, RIGHT, "192.0.2.1") != 200


def guess_tokens_from_many_addresses() -> bool:
    authorizer = new_authorizer()
    for number in range(AUTH_FAILURES_ALL_MAX // 16):
        fail(authorizer, 16, f"198.51.100.{number}")
    return fail(authorizer, 2, "192.0.2.1")[1] == "unauthorized"


def guess_tokens_from_many_addresses_of_one_network() -> bool:
    authorizer = new_authorizer()
    for number in range(AUTH_FAILURES_MAX):
        fail(authorizer, 1, f"2001:db8::{number:x}")
    return request(authorizer, RIGHT, "2001:db8::ffff") == 200


def guess_tokens_at_another_isolate() -> bool:
    environment = FakeEnvironment()
    fail(new_authorizer(environment), AUTH_FAILURES_MAX)
    other = new_authorizer(environment)
    fail(other, 1)
    return request(other, RIGHT) == 200


def fill_memory_with_addresses() -> bool:
    failures = FailedAttempts()
    for number in range(AUTH_CALLERS_MAX + 1):
        failures.add(str(number), 0)
    return len(failures._by_caller) > AUTH_CALLERS_MAX


def learn_from_the_throttled_response_whether_a_token_is_right() -> bool:
    authorizer = new_authorizer()
    fail(authorizer, AUTH_FAILURES_MAX)
    return request(authorizer, RIGHT) != request(authorizer, "wrong")


def _is_accepted(headers: Mapping[str, str], parameters: Mapping[str, str]) -> bool:
    work = new_authorizer().authorize(headers, "/__platform/events", parameters)
    try:
        work.send(None)
    except StopIteration:
        return True
    except DispatcherError:
        return False
    raise AssertionError("authorizing a right token awaited something")


_COMPARISON = "compare_digest(candidate_digest, token.digest)"
_COMPARE_BEFORE_THROTTLING = "if seconds and not _matching(tokens, candidates):"

ON_TOKENS = (
    Guard(
        count_comparisons_to_find_the_right_token,
        "api.auth",
        "_matching",
        "matching.append(token)",
        "return [token]",
    ),
    Guard(
        time_a_comparison_that_stops_at_the_first_difference,
        "api.auth",
        "_matching",
        _COMPARISON,
        "candidate_digest == token.digest",
    ),
    Guard(guess_a_short_token, "api.auth", "_matching", "(is_long or not token.is_listed)", "True"),
    Guard(
        use_an_expired_token,
        "api.auth",
        "_allowed",
        "if not token.has_expired(now_ms)",
        "",
    ),
    Guard(
        read_events_with_an_analytics_token,
        "api.auth",
        "_allowed",
        "[token for token in valid if token.allows(scope)]",
        "valid",
    ),
    Guard(
        use_a_route_without_a_scope,
        "api.auth",
        "Authorizer.authorize",
        "SCOPE_OF.get(path, ADMIN)",
        'SCOPE_OF.get(path, "analytics:read")',
    ),
    Guard(
        read_events_because_analytics_are_public,
        "api.auth",
        "Authorizer.authorize",
        "path == ANALYTICS.path and ",
        "",
    ),
    Guard(
        send_a_token_in_the_query,
        "api.auth",
        "Authorizer.authorize",
        "if not _TOKEN_PARAMETERS.isdisjoint(name.lower() for name in parameters):",
        "if False:",
    ),
    Guard(
        use_a_token_with_a_misspelt_end,
        "api.tokens",
        "_read_entry",
        "if not _FIELDS.issuperset(entry):",
        "if False:",
    ),
    Guard(
        configure_an_empty_token,
        "api.tokens",
        "_digest_of",
        'if bytes.fromhex(text) == digest(""):',
        "if False:",
    ),
    Guard(
        use_a_token_with_an_unknown_scope,
        "api.tokens",
        "_scopes_of",
        " or any(scope not in SCOPES for scope in scopes)",
        "",
    ),
    Guard(
        read_a_token_in_a_reported_problem,
        "api.tokens",
        "_entries",
        "See docs/security.md.",
        "It is {text}.",
    ),
    Guard(
        guess_tokens_without_limit, "api.auth", "Authorizer.authorize", "if seconds:", "if False:"
    ),
    Guard(
        learn_from_the_throttled_response_whether_a_token_is_right,
        "api.auth",
        "Authorizer.authorize",
        "if seconds:",
        _COMPARE_BEFORE_THROTTLING,
    ),
    Guard(
        lock_others_out_by_failing,
        "api.auth",
        "Authorizer.authorize",
        'headers.get("cf-connecting-ip", "")',
        '""',
    ),
    Guard(
        guess_tokens_from_many_addresses,
        "api.throttling",
        "FailedAttempts.seconds_to_wait",
        "1 if is_flood else constants.AUTH_FAILURES_MAX",
        "constants.AUTH_FAILURES_MAX",
    ),
    Guard(
        guess_tokens_from_many_addresses_of_one_network,
        "api.throttling",
        "caller_key",
        "subscriber_of(address)",
        "address",
    ),
    Guard(
        guess_tokens_at_another_isolate,
        "api.auth",
        "Authorizer._record_failure",
        "if not is_allowed:",
        "if False:",
    ),
    Guard(
        fill_memory_with_addresses,
        "api.throttling",
        "FailedAttempts.add",
        "if len(self._by_caller) > constants.AUTH_CALLERS_MAX:",
        "if False:",
    ),
)
