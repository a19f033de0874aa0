"""Wrong tokens are counted by address; one address's failures do not block others."""

from __future__ import annotations

import asyncio

import pytest

from api.auth import Authorizer, TooManyFailures
from api.throttling import FailedAttempts, caller_key
from core.constants import AUTH_CALLERS_MAX, AUTH_FAILURES_ALL_MAX, AUTH_FAILURES_MAX
from core.errors import Unauthorized
from tests.support.fakes import FakeClock, FakeEnvironment

RIGHT = "right-token-of-the-unit-tests"
MINUTE_MS = 60_000


def new_authorizer(
    environment: FakeEnvironment | None = None, clock: FakeClock | None = None
) -> Authorizer:
    environment = environment or FakeEnvironment(rate_counters={})
    environment.settings["PLATFORM_ANALYTICS_TOKEN"] = RIGHT
    return Authorizer(environment, clock or FakeClock())


def request(authorizer: Authorizer, token: str, address: str = "192.0.2.1") -> int | str:
    """Send a request with a token; returns 200 or the error code."""
    headers = {"x-platform-token": token, "cf-connecting-ip": address}
    try:
        asyncio.run(authorizer.authorize(headers, "/__platform/events", {}))
    except Unauthorized as error:
        return error.code
    return 200


def fail(authorizer: Authorizer, count: int, address: str = "192.0.2.1") -> list[int | str]:
    return [request(authorizer, f"wrong {number}", address) for number in range(count)]


def test_after_too_many_wrong_tokens_an_address_is_blocked_for_a_minute() -> None:
    clock = FakeClock()
    authorizer = new_authorizer(clock=clock)
    assert fail(authorizer, AUTH_FAILURES_MAX) == ["unauthorized"] * AUTH_FAILURES_MAX
    assert request(authorizer, "wrong") == request(authorizer, RIGHT) == "rate_limited"
    clock.at_ms += MINUTE_MS - 1
    assert request(authorizer, RIGHT) == "rate_limited"
    clock.at_ms += 1
    assert request(authorizer, RIGHT) == 200


def test_the_response_to_a_blocked_address_does_not_depend_on_the_token() -> None:
    authorizer = new_authorizer()
    fail(authorizer, AUTH_FAILURES_MAX)
    errors = []
    for token in (RIGHT, "wrong"):
        headers = {"x-platform-token": token, "cf-connecting-ip": "192.0.2.1"}
        with pytest.raises(TooManyFailures) as caught:
            asyncio.run(authorizer.authorize(headers, "/__platform/events", {}))
        errors.append((caught.value.message, caught.value.evidence, caught.value.headers))
    assert errors[0] == errors[1]
    assert errors[0][2] == (("retry-after", "60"),)


def test_a_valid_token_from_another_address_is_accepted_during_a_flood() -> None:
    authorizer = new_authorizer()
    for number in range(AUTH_FAILURES_ALL_MAX):
        fail(authorizer, 2, f"198.51.{number // 256}.{number % 256}")
    assert request(authorizer, RIGHT, "192.0.2.1") == 200


def test_during_a_flood_each_address_has_one_attempt() -> None:
    clock = FakeClock()
    authorizer = new_authorizer(clock=clock)
    assert fail(authorizer, 2, "192.0.2.1") == ["unauthorized", "unauthorized"]
    for number in range(AUTH_FAILURES_ALL_MAX // 16):
        fail(authorizer, 16, f"198.51.100.{number}")
    assert fail(authorizer, 2, "192.0.2.2") == ["unauthorized", "rate_limited"]
    clock.at_ms += MINUTE_MS
    assert fail(authorizer, 2, "192.0.2.2") == ["unauthorized", "unauthorized"]


def test_a_request_without_a_token_is_not_a_failed_attempt() -> None:
    authorizer = new_authorizer()
    assert {request(authorizer, "") for _ in range(AUTH_FAILURES_MAX * 2)} == {"unauthorized"}
    assert request(authorizer, RIGHT) == 200


def test_all_addresses_of_an_ipv6_network_share_a_key() -> None:
    keys = {caller_key(f"2001:db8:1:2:{number:x}::1", b"k") for number in range(1, 99)}
    assert len(keys) == 1
    assert keys != {caller_key("2001:db8:1:3::1", b"k")}
    assert caller_key("not:an:address", b"k") != caller_key("not:one:either", b"k")


@pytest.mark.parametrize(
    "spelling",
    [
        "2001:DB8:0:0::1",
        "2001:0db8:0000:0000:0000:0000:0000:0001",
        "2001:db8::192.0.2.1",
        "2001:db8::1%eth0",
    ],
)
def test_spellings_of_an_ipv6_network_share_a_key(spelling: str) -> None:
    assert caller_key(spelling, b"k") == caller_key("2001:db8::", b"k")


@pytest.mark.parametrize(
    "text", ["2001:db8::1%", "2001:db8::1/64", "2001:db8::1\n", ":1", "\ud800::"]
)
def test_text_that_is_not_an_address_has_its_own_key(text: str) -> None:
    assert caller_key(text, b"k") != caller_key("2001:db8::", b"k")
    assert caller_key(text, b"k") != caller_key("::", b"k")


def test_an_address_is_stored_as_a_keyed_hash() -> None:
    assert caller_key("192.0.2.1", b"a") != caller_key("192.0.2.1", b"b")
    authorizer = new_authorizer()
    fail(authorizer, 1)
    assert "192.0.2.1" not in str(authorizer._failures)


def test_memory_is_bounded_and_the_oldest_callers_are_evicted_first() -> None:
    failures = FailedAttempts()
    for number in range(AUTH_CALLERS_MAX + 10):
        failures.add(str(number), 0)
    assert len(failures._by_caller) == AUTH_CALLERS_MAX
    assert "9" not in failures._by_caller
    assert "10" in failures._by_caller


def test_isolates_of_a_location_share_the_count_of_the_binding() -> None:
    environment = FakeEnvironment()
    fail(new_authorizer(environment), AUTH_FAILURES_MAX)
    other = new_authorizer(environment)
    assert request(other, "wrong") == "rate_limited"
    assert request(other, RIGHT) == "rate_limited"
    assert request(other, RIGHT, "192.0.2.2") == 200


def test_the_bindings_key_contains_no_address_and_no_slug() -> None:
    environment = FakeEnvironment()
    fail(new_authorizer(environment), 1)
    [key] = environment.rate_counters[f"RATE_60S_{AUTH_FAILURES_MAX}"].taken
    assert key.startswith("__platform/")
    assert "192.0.2.1" not in key


def test_if_the_binding_fails_the_isolates_own_count_applies() -> None:
    environment = FakeEnvironment()
    for counter in environment.rate_counters.values():
        counter.unavailable = True
    authorizer = new_authorizer(environment)
    assert fail(authorizer, AUTH_FAILURES_MAX + 1)[-2:] == ["unauthorized", "rate_limited"]
