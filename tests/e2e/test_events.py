"""Every request on a tenant's route creates exactly one event, however it ends."""

import contextlib
import socket
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.sync.client import connect

from .caller import Caller, eventually


def assert_one_event(caller: Caller, slug: str) -> dict[str, object]:
    (event,) = eventually(lambda: caller.events(slug), f"an event of {slug}")
    # Later requests are recorded by then, so a second event would be too.
    caller.wait_until_logged()
    assert len(caller.events(slug)) == 1
    return event


@contextlib.contextmanager
def connection(caller: Caller) -> Iterator[socket.socket]:
    """A TCP connection that ends with a reset."""
    address = urlsplit(caller.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as wire:
        yield wire
        # With a linger of zero, closing resets the connection.
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def test_a_served_request_creates_one_complete_event(caller: Caller) -> None:
    response = caller.request(
        "/t/event-served/a/b?c", method="PUT", headers={"x-agent-id": "agent-9"}
    )
    event = assert_one_event(caller, "event-served")
    assert event["requestId"] == response.headers["x-request-id"]
    assert (event["method"], event["status"], event["counted"]) == ("PUT", 200, True)
    assert event["latencyMs"] is not None
    assert "agent-9" not in str(event)


def test_a_failed_request_creates_one_event(caller: Caller) -> None:
    response = caller.request("/t/event-failed/throw")
    event = assert_one_event(caller, "event-failed")
    assert (event["requestId"], event["status"]) == (response.headers["x-request-id"], 502)


def test_a_request_for_a_missing_script_creates_one_event(caller: Caller) -> None:
    caller.request("/t/event-missing/")
    event = assert_one_event(caller, "event-missing")
    # The tenant is known, so the request counts as a call.
    assert (event["status"], event["counted"]) == (404, True)


def test_a_request_for_an_unknown_tenant_creates_one_uncounted_event(caller: Caller) -> None:
    calls_before = caller.calls()
    request_id = caller.request(f"/t/{uuid.uuid4().hex}/").headers["x-request-id"]
    caller.wait_until_logged()
    (event,) = [event for event in caller.events() if event["requestId"] == request_id]
    assert (event["status"], event["counted"]) == (404, False)
    assert caller.calls() == calls_before + 1  # The one call is from `wait_until_logged`.


def test_a_response_that_breaks_off_creates_one_event(caller: Caller) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        caller.request("/t/event-broken-download/throw-midway")
    assert_one_event(caller, "event-broken-download")


def test_a_websocket_creates_one_event(caller: Caller) -> None:
    with connect(caller.url.replace("http", "ws") + "/t/event-socket/socket?limit=2") as wire:
        for message in ("one", "two"):
            wire.send(message)
            wire.recv(timeout=10)
    assert assert_one_event(caller, "event-socket")["status"] == 101


def test_a_client_that_disconnects_before_the_response_creates_one_event(caller: Caller) -> None:
    with connection(caller) as wire:
        wire.sendall(b"GET /t/event-abandoned-wait/wait?delay_ms=1000 HTTP/1.1\r\nhost: x\r\n\r\n")
        # By then the request has reached the tenant, where it takes a second.
        caller.wait_until_logged()
    assert_one_event(caller, "event-abandoned-wait")


def test_many_clients_that_disconnect_at_once_create_one_event_each(caller: Caller) -> None:
    with contextlib.ExitStack() as wires:
        for _ in range(20):
            wire = wires.enter_context(connection(caller))
            target = b"/t/event-abandoned-many/wait?delay_ms=500"
            wire.sendall(b"GET " + target + b" HTTP/1.1\r\nhost: x\r\n\r\n")
        caller.wait_until_logged()
    eventually(lambda: len(caller.events("event-abandoned-many")) >= 20, "20 events")
    caller.wait_until_logged()
    assert len(caller.events("event-abandoned-many")) == 20


def test_a_client_that_disconnects_during_an_upload_creates_one_event(caller: Caller) -> None:
    name = uuid.uuid4().hex
    with connection(caller) as wire:
        target = f"/t/event-abandoned-upload/upload?id={name}"
        head = f"POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"
        wire.sendall(head.encode() + bytes(500_000))
        wire.settimeout(20)
        # By then the upload has started, which cannot be observed directly.
        caller.wait_until_logged()
    event = assert_one_event(caller, "event-abandoned-upload")
    expected = (499, "client_closed_request", False)
    assert (event["status"], event["outcome"], event["counted"]) == expected
    assert caller.api("event-abandoned-upload") is None


def test_a_client_that_disconnects_during_a_stream_creates_one_event(caller: Caller) -> None:
    with connection(caller) as wire:
        wire.sendall(b"GET /t/event-abandoned-download/stream?id=never HTTP/1.1\r\nhost: x\r\n\r\n")
        received = b""
        while b"data: first" not in received:
            received += wire.recv(65536)
    assert_one_event(caller, "event-abandoned-download")


def test_events_are_listed_newest_first_in_pages(caller: Caller) -> None:
    sent = [caller.request("/t/event-many/").headers["x-request-id"] for _ in range(7)]
    caller.wait_until_logged()
    listed = [event["requestId"] for event in caller.events("event-many")]
    assert listed == sent[::-1]

    newest = caller.platform("events", limit=3)
    caller.request("/t/event-many/later")  # A new event must not shift the next page.
    older = caller.platform("events", limit=3, cursor=newest["cursor"])
    assert len(newest["events"]) == len(older["events"]) == 3
    ids = [event["requestId"] for event in newest["events"] + older["events"]]
    assert len(set(ids)) == 6
    times = [event["at"] for event in newest["events"] + older["events"]]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("limit", ["0", "2001", "-1", "1.5", "ten", "", "1e2", "९"])
def test_a_limit_out_of_range_is_refused(caller: Caller, limit: str) -> None:
    headers = {"authorization": f"Bearer {caller.token}"}
    response = caller.client.get("/__platform/events", params={"limit": limit}, headers=headers)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_parameter")


@pytest.mark.parametrize("cursor", ["nonsense", "AAAA", "%FF", "-" * 1000])
def test_an_invalid_cursor_is_refused(caller: Caller, cursor: str) -> None:
    headers = {"authorization": f"Bearer {caller.token}"}
    response = caller.client.get("/__platform/events", params={"cursor": cursor}, headers=headers)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_parameter")
