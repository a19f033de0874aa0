"""Attacks on the tokens of the platform API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from hmac import compare_digest
from unittest import mock

from api import auth as access
from api.tokens import FailedAttempts
from core.constants import AUTH_CALLERS_MAX, AUTH_FAILURES_ALL_MAX, AUTH_FAILURES_MAX
from core.errors import DispatcherError
from tests.security.guard import Guard
from tests.support.fakes import FakeEnvironment
from tests.unit.api.test_throttling import RIGHT, ask, fail, new_access
from tests.unit.api.test_tokens import BOOKS, ENTRIES, MONITOR, entry, is_open
from tests.unit.api.test_tokens import access as with_tokens


def count_comparisons_to_learn_which_token_is_right() -> bool:
    counts = set()
    for token in (MONITOR, BOOKS, "wrong-token-of-the-unit-tests"):
        with mock.patch.object(access, "compare_digest", side_effect=compare_digest) as compared:
            is_open(with_tokens(ENTRIES), token)
        counts.add(compared.call_count)
    return counts != {len(ENTRIES)}


def time_a_comparison_that_stops_at_the_first_difference() -> bool:
    with mock.patch.object(access, "compare_digest", side_effect=compare_digest) as compared:
        is_open(with_tokens(ENTRIES), "wrong")
    return {tuple(map(len, call.args)) for call in compared.call_args_list} != {(32, 32)}


def guess_a_short_token() -> bool:
    return is_open(with_tokens([entry("short", "hunter2", "admin")]), "hunter2")


def use_a_token_after_its_end() -> bool:
    entries = [entry("guest", MONITOR, "admin", notAfter="2026-01-01T00:00Z")]
    return is_open(with_tokens(entries), MONITOR)


def read_events_with_a_token_for_figures() -> bool:
    return is_open(with_tokens(ENTRIES), MONITOR, "/__platform/events")


def use_a_route_that_nobody_gave_a_scope() -> bool:
    return is_open(with_tokens(ENTRIES), MONITOR, "/__platform/of-tomorrow")


def read_events_because_analytics_are_public() -> bool:
    public = with_tokens(ENTRIES, ALLOW_PUBLIC_PLATFORM_ANALYTICS="true")
    return is_open(public, "wrong", "/__platform/events")


def have_a_token_in_the_query_taken() -> bool:
    return _passes({"x-platform-token": RIGHT}, {"token": RIGHT})


def profit_from_a_misspelt_end() -> bool:
    return is_open(with_tokens([{**ENTRIES[0], "notafter": "2020-01-01T00:00Z"}]), MONITOR)


def come_in_with_an_empty_token() -> bool:
    empty = {**ENTRIES[0], "sha256": hashlib.sha256(b"").hexdigest()}
    return len(with_tokens([empty]).report()["tokens"]) > 0


def profit_from_a_scope_that_does_not_exist() -> bool:
    return is_open(with_tokens([{**ENTRIES[0], "scopes": ["analytics:read", "all"]}]), MONITOR)


def read_a_token_in_what_is_said_of_a_mistake() -> bool:
    return "hunter2" in json.dumps(with_tokens(json.dumps({"hunter2": 1})).mistakes)


def try_tokens_without_end() -> bool:
    tried = new_access()
    fail(tried, AUTH_FAILURES_MAX)
    return ask(tried, RIGHT) == 200


def lock_others_out_by_failing() -> bool:
    tried = new_access()
    fail(tried, AUTH_FAILURES_MAX, "198.51.100.1")
    return ask(tried, RIGHT, "192.0.2.1") != 200


def try_tokens_from_everywhere() -> bool:
    tried = new_access()
    for number in range(AUTH_FAILURES_ALL_MAX // 16):
        fail(tried, 16, f"198.51.100.{number}")
    return fail(tried, 2, "192.0.2.1")[1] == "unauthorized"


def try_tokens_from_many_addresses_of_one_network() -> bool:
    tried = new_access()
    for number in range(AUTH_FAILURES_MAX):
        fail(tried, 1, f"2001:db8::{number:x}")
    return ask(tried, RIGHT, "2001:db8::ffff") == 200


def try_tokens_at_another_isolate() -> bool:
    environment = FakeEnvironment()
    fail(new_access(environment), AUTH_FAILURES_MAX)
    other = new_access(environment)
    fail(other, 1)
    return ask(other, RIGHT) == 200


def fill_memory_with_addresses() -> bool:
    failures = FailedAttempts()
    for number in range(AUTH_CALLERS_MAX + 1):
        failures.note(str(number), 0)
    return len(failures._by_caller) > AUTH_CALLERS_MAX


def learn_from_the_refusal_whether_the_token_is_right() -> bool:
    tried = new_access()
    fail(tried, AUTH_FAILURES_MAX)
    return ask(tried, RIGHT) != ask(tried, "wrong")


def _passes(headers: Mapping[str, str], parameters: Mapping[str, str]) -> bool:
    work = new_access().authorize(headers, "/__platform/events", parameters)
    try:
        work.send(None)
    except StopIteration:
        return True
    except DispatcherError:
        return False
    raise AssertionError("a right token waits for nobody")


_LOOK = "found.append(token)"
_COMPARE = "compare_digest(offered_digest, token.digest)"
_COMPARING_FIRST = "if seconds and not _matching(tokens, offered):"

ON_TOKENS = (
    Guard(
        count_comparisons_to_learn_which_token_is_right,
        "api.auth",
        "_matching",
        _LOOK,
        "return [token]",
    ),
    Guard(
        time_a_comparison_that_stops_at_the_first_difference,
        "api.auth",
        "_matching",
        _COMPARE,
        "offered_digest == token.digest",
    ),
    Guard(guess_a_short_token, "api.auth", "_matching", "(is_long or not token.is_listed)", "True"),
    Guard(
        use_a_token_after_its_end,
        "api.auth",
        "_check_scope",
        "if not token.has_expired(now_ms)",
        "",
    ),
    Guard(
        read_events_with_a_token_for_figures,
        "api.auth",
        "_check_scope",
        "if not any(token.opens(scope) for token in valid):",
        "if False:",
    ),
    Guard(
        use_a_route_that_nobody_gave_a_scope,
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
        have_a_token_in_the_query_taken,
        "api.auth",
        "Authorizer.authorize",
        "if not _TOKEN_PARAMETERS.isdisjoint(name.lower() for name in parameters):",
        "if False:",
    ),
    Guard(
        profit_from_a_misspelt_end,
        "api.tokens",
        "_read_entry",
        "if not _FIELDS.issuperset(entry):",
        "if False:",
    ),
    Guard(
        come_in_with_an_empty_token,
        "api.tokens",
        "_digest_of",
        'if bytes.fromhex(text) == digest(""):',
        "if False:",
    ),
    Guard(
        profit_from_a_scope_that_does_not_exist,
        "api.tokens",
        "_scopes",
        " or any(one not in SCOPES for one in scopes)",
        "",
    ),
    Guard(
        read_a_token_in_what_is_said_of_a_mistake,
        "api.tokens",
        "_entries",
        "See docs/security.md.",
        "It is {text}.",
    ),
    Guard(try_tokens_without_end, "api.auth", "Authorizer.authorize", "if seconds:", "if False:"),
    Guard(
        learn_from_the_refusal_whether_the_token_is_right,
        "api.auth",
        "Authorizer.authorize",
        "if seconds:",
        _COMPARING_FIRST,
    ),
    Guard(
        lock_others_out_by_failing,
        "api.auth",
        "Authorizer.authorize",
        'headers.get("cf-connecting-ip", "")',
        '""',
    ),
    Guard(
        try_tokens_from_everywhere,
        "api.tokens",
        "FailedAttempts.seconds_to_wait",
        "1 if is_rush else constants.AUTH_FAILURES_MAX",
        "constants.AUTH_FAILURES_MAX",
    ),
    Guard(
        try_tokens_from_many_addresses_of_one_network,
        "api.tokens",
        "caller_key",
        ".packed[:8]",
        ".packed",
    ),
    Guard(
        try_tokens_at_another_isolate,
        "api.auth",
        "Authorizer._fail",
        "if not is_allowed:",
        "if False:",
    ),
    Guard(
        fill_memory_with_addresses,
        "api.tokens",
        "FailedAttempts.note",
        "if len(self._by_caller) > constants.AUTH_CALLERS_MAX:",
        "if False:",
    ),
)
