"""Wrong tokens are counted by address; nobody is locked out by the failures of others."""

from __future__ import annotations

import asyncio

import pytest

from api.auth import Authorizer, TooManyFailures
from api.tokens import FailedAttempts, caller_key
from core.constants import AUTH_CALLERS_MAX, AUTH_FAILURES_ALL_MAX, AUTH_FAILURES_MAX
from core.errors import Unauthorized
from tests.support.fakes import FakeClock, FakeEnvironment

RIGHT = "right-token-of-the-unit-tests"
MINUTE_MS = 60_000


def new_access(
    environment: FakeEnvironment | None = None, clock: FakeClock | None = None
) -> Authorizer:
    environment = environment or FakeEnvironment(rate_counters={})
    environment.settings["PLATFORM_ANALYTICS_TOKEN"] = RIGHT
    return Authorizer(environment, clock or FakeClock())


def ask(access: Authorizer, token: str, address: str = "192.0.2.1") -> int | str:
    """Ask with a token; 200, or the code of the refusal."""
    headers = {"x-platform-token": token, "cf-connecting-ip": address}
    try:
        asyncio.run(access.authorize(headers, "/__platform/events", {}))
    except Unauthorized as refusal:
        return refusal.code
    return 200


def fail(access: Authorizer, count: int, address: str = "192.0.2.1") -> list[int | str]:
    return [ask(access, f"wrong {number}", address) for number in range(count)]


def test_after_so_many_wrong_tokens_none_of_that_address_is_looked_at_for_a_minute() -> None:
    clock = FakeClock()
    access = new_access(clock=clock)
    assert fail(access, AUTH_FAILURES_MAX) == ["unauthorized"] * AUTH_FAILURES_MAX
    assert ask(access, "wrong") == ask(access, RIGHT) == "rate_limited"
    clock.at_ms += MINUTE_MS - 1
    assert ask(access, RIGHT) == "rate_limited"
    clock.at_ms += 1
    assert ask(access, RIGHT) == 200


def test_what_is_answered_then_does_not_depend_on_the_token() -> None:
    access = new_access()
    fail(access, AUTH_FAILURES_MAX)
    told = []
    for token in (RIGHT, "wrong"):
        headers = {"x-platform-token": token, "cf-connecting-ip": "192.0.2.1"}
        with pytest.raises(TooManyFailures) as caught:
            asyncio.run(access.authorize(headers, "/__platform/events", {}))
        told.append((caught.value.message, caught.value.evidence, caught.value.headers))
    assert told[0] == told[1]
    assert told[0][2] == (("retry-after", "60"),)


def test_a_right_token_from_elsewhere_is_let_in_whatever_others_do() -> None:
    access = new_access()
    for number in range(AUTH_FAILURES_ALL_MAX):
        fail(access, 2, f"198.51.{number // 256}.{number % 256}")
    assert ask(access, RIGHT, "192.0.2.1") == 200


def test_when_wrong_tokens_come_from_everywhere_each_address_has_one_try() -> None:
    clock = FakeClock()
    access = new_access(clock=clock)
    assert fail(access, 2, "192.0.2.1") == ["unauthorized", "unauthorized"]
    for number in range(AUTH_FAILURES_ALL_MAX // 16):
        fail(access, 16, f"198.51.100.{number}")
    assert fail(access, 2, "192.0.2.2") == ["unauthorized", "rate_limited"]
    clock.at_ms += MINUTE_MS
    assert fail(access, 2, "192.0.2.2") == ["unauthorized", "unauthorized"]


def test_requests_without_a_token_or_with_one_for_other_routes_are_no_tries() -> None:
    access = new_access()
    assert {ask(access, "") for _ in range(AUTH_FAILURES_MAX * 2)} == {"unauthorized"}
    assert ask(access, RIGHT) == 200


def test_who_has_a_network_of_ipv6_has_one_address() -> None:
    keys = {caller_key(f"2001:db8:1:2:{number:x}::1", b"k") for number in range(1, 99)}
    assert len(keys) == 1
    assert keys != {caller_key("2001:db8:1:3::1", b"k")}
    assert caller_key("not:an:address", b"k") != caller_key("not:one:either", b"k")


def test_an_address_is_kept_as_a_hash_that_depends_on_the_secret() -> None:
    assert caller_key("192.0.2.1", b"a") != caller_key("192.0.2.1", b"b")
    access = new_access()
    fail(access, 1)
    assert "192.0.2.1" not in str(access._failures)


def test_memory_is_bounded_and_the_oldest_are_forgotten_first() -> None:
    failures = FailedAttempts()
    for number in range(AUTH_CALLERS_MAX + 10):
        failures.note(str(number), 0)
    assert len(failures._by_caller) == AUTH_CALLERS_MAX
    assert "9" not in failures._by_caller
    assert "10" in failures._by_caller


def test_isolates_of_a_location_count_together_where_there_is_a_binding() -> None:
    environment = FakeEnvironment()
    fail(new_access(environment), AUTH_FAILURES_MAX)
    other = new_access(environment)
    assert ask(other, "wrong") == "rate_limited"
    assert ask(other, RIGHT) == "rate_limited"
    assert ask(other, RIGHT, "192.0.2.2") == 200


def test_what_the_binding_is_told_names_no_address_and_no_api() -> None:
    environment = FakeEnvironment()
    fail(new_access(environment), 1)
    [key] = environment.rate_counters[f"RATE_60S_{AUTH_FAILURES_MAX}"].taken
    assert key.startswith("__platform/")
    assert "192.0.2.1" not in key


def test_a_binding_that_fails_leaves_the_isolates_own_count() -> None:
    environment = FakeEnvironment()
    for counter in environment.rate_counters.values():
        counter.unavailable = True
    access = new_access(environment)
    assert fail(access, AUTH_FAILURES_MAX + 1)[-2:] == ["unauthorized", "rate_limited"]
