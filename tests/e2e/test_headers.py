"""Reserved headers are set only by the dispatcher; all others pass unchanged."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from .caller import Caller
from .marketplace import MIRROR_HOST

RESERVED = {
    "x-request-id": "forged",
    "X-Tenant-Id": "forged",
    "x-clawr-payer": "forged",
    "X-CLAWR-Anything-At-All": "forged",
}


def test_reserved_headers_of_callers_are_removed(caller: Caller) -> None:
    for target, host in [("/t/mirror/x", None), ("/x", MIRROR_HOST)]:
        response = caller.request(target, host=host, headers=RESERVED)
        assert "forged" not in response.text
        assert response.headers["x-request-id"] != "forged"


def test_reserved_headers_of_tenants_are_removed(caller: Caller) -> None:
    response = caller.request("/t/crafted/spoof")
    assert "spoofed" not in response.headers.values()
    assert response.headers["x-tenant-id"] == "ten_crafted"
    assert len(response.headers.get_list("x-request-id")) == 1
    assert len(response.headers.get_list("x-tenant-id")) == 1
    assert not [name for name in response.headers if name.startswith("x-clawr-")]
    assert response.headers["x-own"] == "kept"


def test_other_request_headers_arrive_unchanged(caller: Caller) -> None:
    sent = {
        "authorization": "Bearer of-the-caller",
        "cookie": "a=1; b=2",
        "x-api-key": "key-1",
        "x-agent-id": "agent-1",
        "content-type": "application/x-custom; a=b",
        "accept-language": "pt, en;q=0.5",
        "user-agent": "an agent/1.0",
        "x-empty": "",
        "if-none-match": '"tag"',
        "range": "bytes=0-1",
    }
    response = caller.request("/t/mirror/", method="POST", headers=sent, content=b"x")
    seen = dict(response.json()["request"]["headers"])
    assert {name: seen.get(name) for name in sent} == sent


def test_other_response_headers_arrive_unchanged(caller: Caller) -> None:
    sent = {
        "content-type": "text/csv; charset=utf-16",
        "etag": '"v1"',
        "cache-control": "private, max-age=7",
        "vary": "accept",
        "link": "</a>; rel=next",
        "x-custom": "kept",
    }
    lines = [("header", f"{name}:{value}") for name, value in sent.items()]
    response = caller.request(f"/t/crafted/answer?body=x&{urlencode(lines)}")
    assert {name: response.headers.get(name) for name in sent} == sent


@pytest.mark.parametrize("value", [b"caf\xc3\xa9", b"caf\xe9", b"\xff\xfe", b"tab\there"])
def test_non_ascii_header_values_are_passed_on_or_refused(caller: Caller, value: bytes) -> None:
    response = caller.client.get("/t/mirror/", headers=[(b"x-note", value)])
    assert response.status_code in {200, 400}
    if response.status_code == 200:
        assert dict(response.json()["request"]["headers"])["x-note"]


def test_repeated_headers_are_joined(caller: Caller) -> None:
    headers = [("x-many", "one"), ("x-many", "two"), ("accept", "a/b"), ("accept", "c/d")]
    seen = dict(caller.request("/t/mirror/", headers=headers).json()["request"]["headers"])
    assert (seen["x-many"], seen["accept"]) == ("one, two", "a/b, c/d")


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/health"),
        ("GET", "/"),
        ("GET", "/t/mirror/"),
        ("HEAD", "/t/crafted/method"),
        ("GET", "/t/crafted/answer?status=500"),
        ("GET", "/t/crafted/answer?status=304"),
        ("GET", "/t/crafted/throw"),
        ("GET", "/t/ghost/"),
        ("GET", "/t/unknown/"),
        ("GET", "/t/passport/login?user=ada"),
        ("GET", "/__platform/analytics"),
        ("POST", "/__platform/analytics"),
        ("POST", "/health"),
    ],
)
def test_every_response_carries_a_request_id(caller: Caller, method: str, target: str) -> None:
    response = caller.request(target, method=method)
    assert len(response.headers.get_list("x-request-id")) == 1
    assert len(response.headers["x-request-id"]) >= 8


def test_request_ids_are_unique(caller: Caller) -> None:
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: caller.client.get("/health"), range(200)))
    assert len({response.headers["x-request-id"] for response in responses}) == 200


def test_a_large_header_is_passed_on_and_a_huge_one_refused(caller: Caller) -> None:
    passed = caller.request("/t/mirror/", headers={"x-large": "v" * 8_000})
    assert dict(passed.json()["request"]["headers"])["x-large"] == "v" * 8_000
    refused = caller.request("/t/mirror/", headers={"x-huge": "v" * 1_000_000})
    assert 400 <= refused.status_code < 500
    assert caller.request("/t/mirror/").status_code == 200
