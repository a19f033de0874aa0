"""Scopes, rotation and throttling of tokens in the running Worker."""

import pytest

from .attacked_dispatcher import (
    BOOKS,
    FORMULA,
    GUEST,
    MONITOR,
    MONITOR_NEXT,
    OPERATOR,
    AttackedDispatcher,
)

ANALYTICS = ["analytics?window=today", "health"]
EVENTS = ["events", "settlements", "reconciliation"]
COMPACT = "compact?from=2026-11-22T11:00Z&to=2026-11-22T11:01Z"
WRONG_TOKENS_MAX = 32


def request(
    attacked: AttackedDispatcher,
    route: str,
    token: str,
    address: str = "192.0.2.1",
    method: str = "GET",
) -> tuple[int, dict[str, str], str]:
    headers = {"authorization": f"Bearer {token}", "cf-connecting-ip": address}
    response = attacked.caller.request(f"/__platform/{route}", method=method, headers=headers)
    return response.status_code, dict(response.headers), response.text


@pytest.mark.parametrize(
    ("token", "opened"),
    [(MONITOR, ANALYTICS), (BOOKS, EVENTS), (OPERATOR, [*ANALYTICS, *EVENTS, COMPACT])],
)
def test_each_token_opens_the_routes_of_its_scopes(
    attacked: AttackedDispatcher, token: str, opened: list[str]
) -> None:
    for route in [*ANALYTICS, *EVENTS, COMPACT]:
        method = "POST" if route == COMPACT else "GET"
        status, headers, text = request(attacked, route, token, method=method)
        if route in opened:
            assert status != 401, (route, text)
        else:
            assert (status, '"error":"unauthorized"' in text) == (401, True), route
            assert "insufficient_scope" in headers["www-authenticate"]


def test_during_rotation_both_tokens_are_valid_and_an_expired_one_is_not(
    attacked: AttackedDispatcher,
) -> None:
    assert [request(attacked, "health", token)[0] for token in (MONITOR, MONITOR_NEXT)] == [
        200,
        200,
    ]
    status, headers, text = request(attacked, "health", GUEST)
    assert (status, "expired at 2026-01-01" in text) == (401, True)
    assert "invalid_token" in headers["www-authenticate"]


def test_health_lists_tokens_by_name_only(attacked: AttackedDispatcher) -> None:
    report = attacked.caller.platform("health")
    assert [token["name"] for token in report["access"]["tokens"]] == [
        "PLATFORM_ANALYTICS_TOKEN",
        "monitor-1",
        "monitor-2",
        "books",
        "guest",
    ]
    assert [notice["code"] for notice in report["notices"]] == ["token_ends"]
    assert "sha256" not in str(report)
    assert FORMULA not in str(report["access"])


def test_wrong_tokens_are_throttled_by_address(
    attacked: AttackedDispatcher,
) -> None:
    attacker, other = "198.51.100.66", "198.51.100.67"
    results = [request(attacked, "health", f"wrong-{number}", attacker) for number in range(40)]
    statuses = [status for status, _, _ in results]
    assert statuses[:WRONG_TOKENS_MAX] == [401] * WRONG_TOKENS_MAX
    assert set(statuses[WRONG_TOKENS_MAX:]) == {429}
    status, headers, text = request(attacked, "health", OPERATOR, attacker)
    assert (status, '"error":"rate_limited"' in text) == (429, True)
    assert 1 <= int(headers["retry-after"]) <= 60
    assert request(attacked, "health", OPERATOR, other)[0] == 200
    # Throttling affects only the platform API.
    response = attacked.caller.request("/t/mirror/", headers={"cf-connecting-ip": attacker})
    assert response.status_code == 200
