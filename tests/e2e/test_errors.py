"""Every error has the contract's code and shape, and discloses no secret."""

from urllib.parse import quote

import httpx
import pytest

from .caller import Caller
from .marketplace import SECRET


def assert_is_error(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["error"]) == (status, code)
    assert response.json()["ok"] is False
    assert response.json()["requestId"] == response.headers["x-request-id"]
    assert response.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("/t/unknown/", 404, "tenant_not_found"),
        ("/t/ghost/", 404, "worker_not_found"),
        ("/t/crafted/throw", 502, "tenant_worker_failure"),
        ("/__platform/analytics", 401, "unauthorized"),
        ("/nothing", 404, "not_found"),
    ],
)
def test_all_errors_have_the_same_shape(
    caller: Caller, target: str, status: int, code: str
) -> None:
    assert_is_error(caller.request(target), status, code)


@pytest.mark.parametrize(
    "target",
    [
        "/t/crafted/throw",
        "/t/crafted/throw-text",
        "/t/crafted/throw-nothing",
        "/t/crafted/no-response",
        "/t/unfinished/",
    ],
)
def test_a_failing_script_is_tenant_worker_failure_without_its_exception_text(
    caller: Caller, target: str
) -> None:
    response = caller.request(target)
    assert_is_error(response, 502, "tenant_worker_failure")
    shown = response.text + str(response.headers)
    assert SECRET not in shown
    assert "cannot connect" not in shown
    assert "Error" not in shown.replace("tenant_worker_failure", "")
    assert ".js" not in shown


def test_a_script_over_its_limit_is_tenant_limit_exceeded(caller: Caller) -> None:
    # The script makes two sub-requests; its record allows one.
    response = caller.request("/t/tight/counters/cups", method="POST")
    assert_is_error(response, 503, "tenant_limit_exceeded")
    assert caller.request("/t/tight/counters/cups").status_code == 200


@pytest.mark.parametrize(
    "message",
    [
        "Worker exceeded CPU time limit.",
        "Worker exceeded memory limit.",
        "Worker has exceeded memory limit.",
        "Worker exceeded resource limits",
        "Python Worker exceeded CPU time limit",
        "Python Worker startup exceeded CPU limit 1400<1000",
        "Script startup exceeded CPU time limit.",
        "script exceeded time limit",
        "Durable Object's isolate exceeded its memory limit due to overflowing the storage cache",
        "Durable Object exceeded its CPU time limit and was reset.",
        "Facet nesting depth limit exceeded. The maximum depth is 4.",
        "Too many subrequests.",
        "Too many API requests by single worker invocation.",
        "Memory limit exceeded before EOF.",
        "Memory limit would be exceeded before EOF.",
        "ReadableStream.tee() buffer limit exceeded. This error usually occurs when a Request",
        "Subrequest depth limit exceeded. This request recursed through Workers too many times.",
    ],
)
def test_each_limit_of_the_platform_is_tenant_limit_exceeded(caller: Caller, message: str) -> None:
    response = caller.request(f"/t/crafted/throw-message?message={quote(message)}")
    assert_is_error(response, 503, "tenant_limit_exceeded")
    assert message not in response.text


@pytest.mark.parametrize(
    "message", ["the upload exceeded memory", "limit", "Error: too many subrequests", "cpu limit"]
)
def test_a_failure_that_only_mentions_a_limit_is_the_scripts(caller: Caller, message: str) -> None:
    response = caller.request(f"/t/crafted/throw-message?message={quote(message)}")
    assert_is_error(response, 502, "tenant_worker_failure")


def test_a_script_that_imitates_the_platforms_error_gets_a_defined_error(caller: Caller) -> None:
    response = caller.request("/t/crafted/throw-message?message=Worker%20not%20found.")
    assert response.status_code in {404, 502}
    assert response.json()["error"] in {"worker_not_found", "tenant_worker_failure"}


def test_a_script_that_fails_while_streaming_breaks_off_its_body(caller: Caller) -> None:
    with caller.client.stream("GET", "/t/crafted/throw-midway") as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            response.read()
    assert caller.request("/health").status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("route", ["analytics", "events", "health"])
def test_platform_routes_are_read_only(caller: Caller, route: str, method: str) -> None:
    headers = {"authorization": f"Bearer {caller.token}"}
    response = caller.request(f"/__platform/{route}", method=method, headers=headers)
    assert_is_error(response, 405, "method_not_allowed")
    assert "GET" in response.headers["allow"]


def test_health_is_read_only(caller: Caller) -> None:
    assert_is_error(caller.request("/health", method="POST"), 405, "method_not_allowed")


def test_an_unknown_platform_route_is_not_found(caller: Caller) -> None:
    headers = {"authorization": f"Bearer {caller.token}"}
    assert_is_error(caller.request("/__platform/nothing", headers=headers), 404, "not_found")
