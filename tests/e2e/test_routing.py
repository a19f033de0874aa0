"""Requests reach the tenant of their host or slug, with path and query unchanged."""

import re
from random import Random
from typing import Any

import pytest

from .caller import Caller
from .marketplace import INTERNATIONAL_HOST_ASCII, MIRROR_HOST


def seen_by_mirror(
    caller: Caller, target: str, *, method: str = "GET", host: str | None = None
) -> dict[str, Any]:
    response = caller.request(target, method=method, host=host)
    assert response.status_code == 200, response.text
    assert response.headers["x-tenant-id"] == "ten_mirror"
    seen: dict[str, Any] = response.json()["request"]
    return seen


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/t/mirror", "/"),
        ("/t/mirror/", "/"),
        ("/t/mirror/a/b.json", "/a/b.json"),
        ("/t/mirror/a/", "/a/"),
        ("/t/mirror//double//slash", "//double//slash"),
        ("/t/mirror/t/mirror/x", "/t/mirror/x"),
        ("/t/mirror/a%2Fb%20c%C3%A9%25", "/a%2Fb%20c%C3%A9%25"),
        ("/t/mirror/%2e%2e%2f", "/%2e%2e%2f"),
        ("/t/mirror/%zz%FF%", "/%zz%FF%"),
        ("/t/%6dirror/x", "/x"),
        ("/t/mirror/a:b@c;d=e,f+g!$&'()*~", "/a:b@c;d=e,f+g!$&'()*~"),
        ("/t/mirror/__platform/analytics", "/__platform/analytics"),
        ("/t/mirror/health", "/health"),
    ],
)
def test_only_the_slug_is_removed_from_the_path(caller: Caller, target: str, path: str) -> None:
    assert seen_by_mirror(caller, target)["path"] == path


@pytest.mark.parametrize(
    "query",
    [
        "a=1&a=2",
        "q=%20+%2B&&x",
        "x=%C3%A9&y=a%2Fb",
        "slug=/t/other",
        "?",
        "a=?b",
        "=&=",
        "%7B%22k%22%3A1%7D",
    ],
)
def test_the_query_is_unchanged_byte_for_byte(caller: Caller, query: str) -> None:
    assert seen_by_mirror(caller, f"/t/mirror?{query}")["query"] == query
    assert seen_by_mirror(caller, f"/any/path?{query}", host=MIRROR_HOST)["query"] == query


def test_an_empty_query_stays_an_empty_query(caller: Caller) -> None:
    assert seen_by_mirror(caller, "/t/mirror/x?")["url"].endswith("/x?")
    assert seen_by_mirror(caller, "/t/mirror?")["url"].endswith("/?")


def random_target(random: Random) -> str:
    """Return a random path and query that workerd accepts, without dot segments."""
    pieces = [
        *"aZ09-_~!$&'()*+,;=:@/[]|^{}",
        "//",
        "%2F",
        "%2e",
        "%00",
        "%C3%A9",
        "%",
        "%g1",
        "a.b",
    ]
    path = "/" + "".join(random.choices(pieces, k=random.randint(0, 30)))
    path = re.sub(r"(?i)/(\.|%2e){1,2}(?=/|$)", "/x", path)
    query = "".join(random.choices([*pieces, "?", "&", "=", "+"], k=random.randint(0, 30)))
    return path + random.choice(["", "?"]) + query.replace("?", "") if query else path


def test_a_tenant_sees_the_same_url_by_slug_and_by_host(caller: Caller) -> None:
    random = Random(20261122)
    for _ in range(200):
        target = random_target(random)
        by_host = seen_by_mirror(caller, target, host=MIRROR_HOST)
        by_slug = seen_by_mirror(caller, f"/t/mirror{target}")
        assert by_slug["path"] == by_host["path"], target
        assert by_slug["query"] == by_host["query"], target


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_is_passed_on(caller: Caller, method: str) -> None:
    assert seen_by_mirror(caller, "/t/mirror/x", method=method)["method"] == method


@pytest.mark.parametrize(
    "host",
    [
        MIRROR_HOST,
        "MIRROR.e2e.Example",
        f"{MIRROR_HOST}:8787",
        f"{MIRROR_HOST}:",
        f"{MIRROR_HOST}.",
        INTERNATIONAL_HOST_ASCII,
        INTERNATIONAL_HOST_ASCII.upper(),
        f"{INTERNATIONAL_HOST_ASCII}:443",
    ],
)
def test_a_host_selects_its_tenant_in_any_case_with_any_port(caller: Caller, host: str) -> None:
    assert seen_by_mirror(caller, "/some/path", host=host)["path"] == "/some/path"


@pytest.mark.parametrize(
    "target", ["/t/crafted/answer", "/t/no-such-slug/", "/t", "/health", "/explore"]
)
def test_the_host_has_priority_over_the_path(caller: Caller, target: str) -> None:
    assert seen_by_mirror(caller, target, host=MIRROR_HOST)["path"] == target


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/t/mirror/a/../b", "/b"),
        ("/t/mirror/./a/./b/.", "/a/b/"),
        ("/t/mirror/a/%2e%2E/b", "/b"),
        ("/t/crafted/../mirror/a", "/a"),
        ("/../../t/mirror/a", "/a"),
    ],
)
def test_dot_segments_are_resolved_before_the_tenant_is_selected(
    caller: Caller, target: str, path: str
) -> None:
    assert seen_by_mirror(caller, target)["path"] == path


@pytest.mark.parametrize("target", ["/t/mirror/..", "/t/mirror/../../x", "/t/mirror/%2e%2e/x"])
def test_a_path_that_leaves_its_tenant_is_not_found(caller: Caller, target: str) -> None:
    response = caller.request(target)
    assert response.status_code == 404
    assert response.json()["error"] in {"not_found", "tenant_not_found"}


def test_a_long_path_and_query_arrive_whole(caller: Caller) -> None:
    path, query = "/" + "p" * 3_000, "q=" + "v" * 3_000
    seen = seen_by_mirror(caller, f"/t/mirror{path}?{query}")
    assert (seen["path"], seen["query"]) == (path, query)


def test_an_oversized_path_is_refused(caller: Caller) -> None:
    response = caller.request("/t/mirror/" + "p" * 100_000)
    assert 400 <= response.status_code < 500
    assert seen_by_mirror(caller, "/t/mirror/after")["path"] == "/after"


@pytest.mark.parametrize(
    "target", ["/t/", "/t//x", "/t/no-such-slug", "/t/no-such-slug/x", "/t/%00/x", "/t/%FF"]
)
def test_an_unknown_slug_is_tenant_not_found(caller: Caller, target: str) -> None:
    response = caller.request(target)
    assert (response.status_code, response.json()["error"]) == (404, "tenant_not_found")


@pytest.mark.parametrize("target", ["/t", "/tmirror", "/nothing/here", "/T/mirror", "/favicon.ico"])
def test_an_unknown_path_is_not_found(caller: Caller, target: str) -> None:
    response = caller.request(target)
    assert response.status_code == 404
    assert response.json()["error"] in {"not_found", "tenant_not_found"}


def test_an_unknown_host_is_tenant_not_found(caller: Caller) -> None:
    response = caller.request("/", host="unknown.e2e.example")
    assert (response.status_code, response.json()["error"]) == (404, "tenant_not_found")


@pytest.mark.parametrize(
    "host",
    ["[::1]:8787", "a..b", "-", "%6d", "x" * 300, "xn--a", f"{MIRROR_HOST}..", f"{MIRROR_HOST}@x"],
)
def test_an_invalid_host_is_tenant_not_found(caller: Caller, host: str) -> None:
    response = caller.request("/t/no-such-slug/", host=host)
    assert (response.status_code, response.json()["error"]) == (404, "tenant_not_found")
    assert caller.request("/health").status_code == 200


def test_health_is_served_at_the_dispatchers_host(caller: Caller) -> None:
    response = caller.request("/health")
    assert response.status_code == 200
    assert response.json() == {
        "ok": True,
        "service": "clawr-dispatcher",
        "requestId": response.headers["x-request-id"],
    }
