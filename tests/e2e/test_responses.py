"""Tenants' responses arrive unchanged: HEAD, redirects, cookies, 204, WebSockets."""

from collections.abc import Iterator
from socket import create_connection

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from .caller import Caller


def test_head_reaches_the_tenant_as_head_and_has_no_body(caller: Caller) -> None:
    response = caller.request("/t/crafted/method", method="HEAD")
    assert response.headers["x-seen-method"] == "HEAD"
    assert response.content == b""
    # If a body had been sent anyway, it would be read as the next response.
    assert caller.request("/t/crafted/method").headers["x-seen-method"] == "GET"


@pytest.mark.parametrize("target", ["/t/unknown/", "/__platform/analytics", "/t/crafted/throw"])
def test_head_of_an_error_has_no_body(caller: Caller, target: str) -> None:
    response = caller.request(target, method="HEAD")
    assert response.status_code in {401, 404, 502}
    assert response.content == b""
    assert caller.request("/health").json()["ok"] is True


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["relative", "/absolute", "https://elsewhere.example/%20?a=b"])
def test_redirects_are_passed_on_and_not_followed(
    caller: Caller, status: int, location: str
) -> None:
    header = f"location:{location}".replace("%", "%25").replace("?", "%3F")
    response = caller.request(f"/t/crafted/answer?status={status}&header={header}")
    assert (response.status_code, response.headers["location"]) == (status, location)


def test_several_cookies_stay_separate_headers(caller: Caller) -> None:
    response = caller.request("/t/passport/login?user=ada&theme=dark")
    cookies = response.headers.get_list("set-cookie")
    assert [cookie.split("=")[0] for cookie in cookies] == ["session", "theme", "seen"]
    assert cookies[2] == "seen=1; Expires=Fri, 31 Dec 2038 23:59:59 GMT; SameSite=Lax"


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body_have_none(caller: Caller, status: int) -> None:
    response = caller.request(f"/t/crafted/answer?status={status}&header=etag:%22v1%22")
    assert (response.status_code, response.content) == (status, b"")
    assert response.headers["etag"] == '"v1"'
    assert caller.request("/health").json()["ok"] is True


@pytest.mark.parametrize(
    "status", [200, 201, 202, 206, 400, 401, 402, 403, 404, 409, 418, 429, 500, 502, 503, 599]
)
def test_a_tenants_status_and_body_arrive_unchanged(caller: Caller, status: int) -> None:
    response = caller.request(
        f"/t/crafted/answer?status={status}&body=own&header=content-type:text/x-own"
    )
    assert (response.status_code, response.text) == (status, "own")
    assert response.headers["content-type"] == "text/x-own"
    assert response.headers["x-tenant-id"] == "ten_crafted"


@pytest.fixture
def socket(caller: Caller) -> Iterator[ClientConnection]:
    with connect(caller.url.replace("http", "ws") + "/t/parley/socket") as connection:
        yield connection


def test_a_websocket_carries_text_and_bytes_both_ways(socket: ClientConnection) -> None:
    messages: list[str | bytes] = ["héllo", b"\x00\xff", "", "x" * 100_000, b"y" * 100_000]
    for message in messages:
        socket.send(message)
    assert [socket.recv(timeout=10) for _ in messages] == messages


def test_a_websocket_upgrade_has_a_request_id(socket: ClientConnection) -> None:
    assert socket.response is not None
    assert socket.response.headers["x-request-id"]
    assert socket.response.headers["x-tenant-id"] == "ten_parley"


def test_a_websocket_works_at_a_tenants_host(caller: Caller) -> None:
    port = caller.url.rpartition(":")[2]
    wire = create_connection(("127.0.0.1", int(port)))
    with wire, connect(f"ws://parley.e2e.example:{port}/socket", sock=wire) as socket:
        socket.send("by host")
        assert socket.recv(timeout=10) == "by host"


def test_the_close_code_of_a_websocket_arrives_unchanged(caller: Caller) -> None:
    with connect(caller.url.replace("http", "ws") + "/t/parley/socket?limit=1") as socket:
        socket.send("only")
        assert socket.recv(timeout=10) == "only"
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1000, "limit reached")


def test_a_refused_upgrade_is_the_tenants_response(caller: Caller) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(caller.url.replace("http", "ws") + "/t/parley/socket?limit=0")
    assert refused.value.response.status_code == 400
    assert refused.value.response.headers["x-tenant-id"] == "ten_parley"
