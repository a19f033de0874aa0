"""Smuggled, forged and oversized requests are refused or harmless."""

import pytest

from .attacked_dispatcher import OPERATOR, AttackedDispatcher, head_of, status_of
from .marketplace import MIRROR_HOST

START = b"POST /t/mirror/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
SMUGGLED = b"GET /t/victim/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
IN_ONE = b"Content-Length: %d\r\n" % len(SMUGGLED)

TWO_IN_ONE = {
    "length and chunks": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED,
    "chunks and length": b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + CHUNKED,
    "two lengths": b"Content-Length: 0\r\n" + IN_ONE + b"\r\n" + SMUGGLED,
    "a list of lengths": b"Content-Length: 0, %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
    "a signed length": b"Content-Length: +0\r\n\r\n" + SMUGGLED,
    "a coding that is none": b"Transfer-Encoding: xchunked\r\n" + IN_ONE + b"\r\n" + SMUGGLED,
    "a space before the colon": b"Transfer-Encoding : chunked\r\n" + IN_ONE + b"\r\n" + CHUNKED,
    "a folded header": b"Transfer-Encoding:\r\n chunked\r\n" + IN_ONE + b"\r\n" + CHUNKED,
    "a control character": b"Transfer-Encoding: \x0bchunked\r\n" + IN_ONE + b"\r\n" + CHUNKED,
    "a bare carriage return": b"X: a\rContent-Length: 0\r\n" + IN_ONE + b"\r\n" + SMUGGLED,
}


@pytest.mark.parametrize("framing", TWO_IN_ONE.values(), ids=TWO_IN_ONE)
def test_no_second_request_can_be_smuggled_into_one(
    attacked: AttackedDispatcher, framing: bytes
) -> None:
    response = attacked.raw(START + framing)
    assert response.count(b"HTTP/1.1 ") == 1
    assert status_of(response) in {200, 400, 501}
    assert b"ten_victim" not in response
    attacked.caller.wait_until_logged()
    assert attacked.caller.events("victim") == []


ODD_HEADERS = {
    "twice": b"X-Clawr-Payer: forged\r\nx-clawr-payer: forged\r\n",
    "capitals": b"X-CLAWR-PAYER: forged\r\nX-TENANT-ID: forged\r\nX-REQUEST-ID: forged\r\n",
    "named by connection": b"Connection: x-clawr-payer\r\nX-Clawr-Payer: forged\r\n",
    "bare line feed": b"x-a: 1\nx-clawr-payer: forged\n",
    "space before the colon": b"x-clawr-payer : forged\r\n",
    "folded": b"x-a: 1\r\n x-clawr-payer: forged\r\n",
    "not ascii": b"x-clawr-\xe9: forged\r\n",
    "null": b"x-clawr-payer: for\x00ged\r\nx-tenant-id: forged\r\n",
    "platform's token": b"x-platform-token: forged\r\n",
}


@pytest.mark.parametrize("lines", ODD_HEADERS.values(), ids=ODD_HEADERS)
def test_no_spelling_of_a_reserved_header_reaches_a_script(
    attacked: AttackedDispatcher, lines: bytes
) -> None:
    end = b"Connection: close\r\n\r\n"
    response = attacked.raw(b"GET /t/mirror/ HTTP/1.1\r\nHost: localhost\r\n" + lines + end)
    assert status_of(response) in {200, 400}
    body = response.partition(b"\r\n\r\n")[2].lower()
    for name in (b'["x-clawr-', b'["x-tenant-id', b'["x-request-id', b'["x-platform-token'):
        assert name not in body


HOSTS = {
    "forwarded": b"X-Forwarded-Host: victim.e2e.example\r\nForwarded: host=victim.e2e.example\r\n",
    "other proxies'": b"X-Host: victim.e2e.example\r\nX-Original-Host: victim.e2e.example\r\n",
    "other paths": b"X-Original-URL: /t/victim/\r\nX-Rewrite-URL: /t/victim/\r\n",
    "two": b"Host: victim.e2e.example\r\n",
}


@pytest.mark.parametrize("lines", HOSTS.values(), ids=HOSTS)
def test_only_the_host_header_selects_the_tenant(
    attacked: AttackedDispatcher, lines: bytes
) -> None:
    host = f"Host: {MIRROR_HOST}\r\n".encode()
    response = attacked.raw(b"GET /x HTTP/1.1\r\n" + host + lines + b"Connection: close\r\n\r\n")
    assert b"ten_victim" not in response
    assert status_of(response) in {200, 400, 404, 500}


@pytest.mark.parametrize(
    "host",
    [
        "victim.e2e.example@localhost",
        "victim.e2e.example%00.localhost",
        "victim.e2e.example,localhost",
        "victim.e2e.example localhost",
        "victim.e2e.example:80:80",
        "victim_e2e.example",
        "[victim.e2e.example]",
    ],
)
def test_a_host_similar_to_a_tenants_does_not_select_it(
    attacked: AttackedDispatcher, host: str
) -> None:
    line = f"Host: {host}\r\n".encode()
    response = attacked.raw(b"GET /x HTTP/1.1\r\n" + line + b"Connection: close\r\n\r\n")
    assert b"ten_victim" not in response


@pytest.mark.parametrize(
    "target", ["http://victim.e2e.example/x", "http://victim.e2e.example/__platform/health"]
)
def test_an_absolute_target_is_read_as_one_host_everywhere(
    attacked: AttackedDispatcher, target: str
) -> None:
    line = f"GET {target} HTTP/1.1\r\nHost: {MIRROR_HOST}\r\nConnection: close\r\n\r\n"
    response = attacked.raw(line.encode())
    if "__platform" in target:
        assert status_of(response) in {400, 401}
        assert b"x-tenant-id" not in response.lower()
        return
    # The script sees the host that it was selected by.
    seen_by = [name for name in (b"mirror", b"victim") if b"x-tenant-id: ten_" + name in response]
    assert len(seen_by) <= 1
    for name in seen_by:
        assert b'"url":"http://' + name + b".e2e.example/x" in response


@pytest.mark.parametrize("header", ["x-http-method-override", "x-method-override", "x-http-method"])
def test_a_header_cannot_change_the_method(attacked: AttackedDispatcher, header: str) -> None:
    headers = {"x-platform-token": OPERATOR, header: "POST"}
    assert attacked.caller.request("/__platform/compact", headers=headers).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/__PLATFORM/health",
        "/__platform;/health",
        "/__platform;x=y",
        "/;/__platform/health",
        "/__platform%00/health",
        "/%255f_platform/health",
        "/x/..%2f__platform/health",
        "/__platform%5chealth",
        "/__platform%2f..%2f..%2fx",
    ],
)
@pytest.mark.parametrize("host", [None, MIRROR_HOST])
def test_no_odd_spelling_of_the_platform_reaches_a_tenant(
    attacked: AttackedDispatcher, path: str, host: str | None
) -> None:
    response = attacked.caller.request(path, host=host)
    assert (response.status_code, response.json()["error"]) == (401, "unauthorized")
    assert "x-tenant-id" not in response.headers
    # With a token it is not a route either.
    headers = {"x-platform-token": OPERATOR}
    assert attacked.caller.request(path, host=host, headers=headers).status_code == 404


TOO_MUCH = {
    "path": ("GET", "/__platform/" + "a" * 40_000, {}, b""),
    "query": ("GET", "/__platform/analytics?" + "a" * 40_000, {}, b""),
    "parameters": ("GET", "/__platform/analytics?" + "&".join(["a=1"] * 3_000), {}, b""),
    "header": ("GET", "/__platform/analytics", {"x-a": "a" * 200_000}, b""),
    "headers": ("GET", "/__platform/health", {f"x-{n}": "a" * 100 for n in range(2_000)}, b""),
    "token": ("GET", "/__platform/health", {"x-platform-token": "a" * 100_000}, b""),
    "cursor": ("GET", "/__platform/events?cursor=" + "W1tb" * 3_000, {}, b""),
    "number": ("GET", "/__platform/events?limit=" + "9" * 10_000, {}, b""),
    "body": ("POST", "/__platform/compact", {}, b"[" * 5_000_000),
    "accept": ("GET", "/t/sold/", {"accept": "text/html," * 10_000}, b""),
    "payment": ("GET", "/t/sold/", {"payment-signature": "W1tb" * 20_000}, b""),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_an_oversized_request_is_refused(attacked: AttackedDispatcher, name: str) -> None:
    method, target, headers, content = TOO_MUCH[name]
    token = {} if "token" in name else {"x-platform-token": OPERATOR}
    response = attacked.caller.request(
        target, method=method, headers={**token, **headers}, content=content or None
    )
    assert 400 <= response.status_code < 500
    assert attacked.caller.request("/health").status_code == 200


@pytest.mark.parametrize("target", ["/t/crafted/x.js", "/t/crafted"])
def test_no_service_worker_is_served_on_the_shared_host(
    attacked: AttackedDispatcher, target: str
) -> None:
    headers = {"service-worker": "script"}
    response = attacked.caller.request(target, headers=headers)
    assert (response.status_code, response.json()["error"]) == (404, "not_found")
    own = attacked.caller.request("/answer?body=x", host="crafted.e2e.example", headers=headers)
    assert (own.status_code, own.headers["x-tenant-id"]) == (200, "ten_crafted")


def test_a_connection_header_of_the_client_removes_no_response_headers(
    attacked: AttackedDispatcher,
) -> None:
    response = attacked.raw(
        b"GET /t/mirror/ HTTP/1.1\r\nHost: localhost\r\n"
        b"Connection: close, x-request-id, x-tenant-id\r\n\r\n"
    )
    assert "x-request-id: " in head_of(response)
    assert "x-tenant-id: ten_mirror" in head_of(response)
