"""Requests and responses between Python and JavaScript."""

import asyncio
import json
from typing import Any

import js
import pytest
from pyodide.ffi import create_once_callable, create_proxy, jsnull

from core.constants import PLAN_LIMITS
from core.errors import TenantWorkerFailure, WorkerNotFound
from core.ports import ProxyResponse, Response
from runtime.http import RuntimeNamespace, RuntimeRequest, RuntimeUpstreamResponse

LIMITS = PLAN_LIMITS["enterprise"]


@pytest.fixture
def namespace(raw_env: Any) -> RuntimeNamespace:
    """The dispatch namespace with the scripts of `tests/runtime/scripts`."""
    return RuntimeNamespace(raw_env.DISPATCHER)


def request(url: str, **init: Any) -> RuntimeRequest:
    """Return a request as workerd passes it, which does not follow redirects."""
    headers = js.Headers.new(list(init.pop("headers", {}).items()))
    context = js.Object.new()
    context.waitUntil = js.Promise.resolve.bind(js.Promise)
    raw = js.Request.new(url, headers=headers, redirect="manual", **init)
    return RuntimeRequest(raw, context)


def to_js_response(response: Response | ProxyResponse) -> Any:
    """Return the JavaScript response to some request."""
    return request("http://h/").respond(response)


async def response_of(namespace: RuntimeNamespace, kind: str) -> RuntimeUpstreamResponse:
    """Return the response of the script `replies` at `/KIND`."""
    return await namespace.fetch("replies", LIMITS, request(f"http://h/{kind}"), None, ())


# Requests to scripts, and their responses.


async def test_a_prefix_is_a_header_of_a_request_with_another_url(
    namespace: RuntimeNamespace,
) -> None:
    """It replaces every header of that name."""
    sent = request("http://h/t/x/a", headers={"X-Forwarded-Prefix": "/forged", "x-own": "1"})
    removed = ("x-forwarded-prefix",)
    upstream = await namespace.fetch("mirror", LIMITS, sent, "http://h/a", removed, "/t/x")
    echo = json.loads(await upstream.raw.text())
    assert (echo["url"], dict(echo["headers"])["x-forwarded-prefix"]) == ("http://h/a", "/t/x")
    assert dict(echo["headers"])["x-own"] == "1"


def test_headers_have_lower_case_names() -> None:
    """Values are unchanged."""
    headers = request("http://h/", headers={"X-Agent-Id": "ägent", "Accept": "a, b"}).headers
    assert headers == {"x-agent-id": "ägent", "accept": "a, b"}


async def test_a_request_is_forwarded_unchanged(namespace: RuntimeNamespace) -> None:
    """Method, URL, headers and body reach the script."""
    sent = request("http://h/a%2Fb?q=%20", method="POST", body="bödy", headers={"x-own": "1"})
    upstream = await namespace.fetch("mirror", LIMITS, sent, None, ())
    echo = json.loads(await upstream.raw.text())
    assert (upstream.status, echo["method"], echo["url"]) == (201, "POST", "http://h/a%2Fb?q=%20")
    assert echo["body"] == "bödy"
    assert ["x-own", "1"] in echo["headers"]


async def test_the_url_can_be_replaced_and_headers_removed(namespace: RuntimeNamespace) -> None:
    """Everything else stays, including the body."""
    sent = request("http://h/t/x", method="PUT", body="b", headers={"x-clawr-a": "1", "x-own": "1"})
    upstream = await namespace.fetch("mirror", LIMITS, sent, "http://h/?q", ["x-clawr-a"])
    echo = json.loads(await upstream.raw.text())
    assert (echo["method"], echo["url"], echo["body"]) == ("PUT", "http://h/?q", "b")
    names = [name for name, _ in echo["headers"]]
    assert "x-own" in names
    assert "x-clawr-a" not in names


async def test_headers_are_removed_without_another_url(namespace: RuntimeNamespace) -> None:
    """A request at a tenant's own host keeps its URL."""
    sent = request("http://h/p", headers={"x-tenant-id": "fake"})
    upstream = await namespace.fetch("mirror", LIMITS, sent, None, ["x-tenant-id"])
    echo = json.loads(await upstream.raw.text())
    assert echo["url"] == "http://h/p"
    assert "x-tenant-id" not in [name for name, _ in echo["headers"]]


async def test_a_response_is_forwarded_with_changed_headers(namespace: RuntimeNamespace) -> None:
    """Reserved headers are removed, ours are set, each cookie keeps a header of its own."""
    upstream = await namespace.fetch("mirror", LIMITS, request("http://h/"), None, ())
    assert "x-clawr-fake" in upstream.header_names
    forwarded = to_js_response(
        ProxyResponse(upstream, [("x-request-id", "ours")], ["x-clawr-fake"])
    )
    assert forwarded.status == 201
    assert forwarded.headers.get("x-request-id") == "ours"
    assert not forwarded.headers.has("x-clawr-fake")
    assert list(forwarded.headers.getSetCookie()) == ["a=1; Path=/", "b=2; Path=/"]
    assert json.loads(await forwarded.text())["method"] == "GET"


@pytest.mark.parametrize(
    ("kind", "status"), [("empty", 204), ("unchanged", 304), ("redirect", 302), ("hello", 200)]
)
async def test_any_status_is_forwarded(namespace: RuntimeNamespace, kind: str, status: int) -> None:
    """Redirects and responses without a body are unchanged."""
    upstream = await response_of(namespace, kind)
    forwarded = to_js_response(ProxyResponse(upstream, [("x-request-id", "ours")], ()))
    assert (upstream.status, forwarded.status) == (status, status)
    assert forwarded.headers.get("x-request-id") == "ours"
    assert await forwarded.text() == ("hello" if kind == "hello" else "")


async def test_a_streamed_body_is_forwarded(namespace: RuntimeNamespace) -> None:
    """The body is the stream of the script."""
    forwarded = to_js_response(ProxyResponse(await response_of(namespace, "stream"), (), ()))
    assert await forwarded.text() == "one two three"


async def test_a_web_socket_is_forwarded(namespace: RuntimeNamespace) -> None:
    """The upgrade succeeds, and messages arrive."""
    sent = request("http://h/socket", headers={"upgrade": "websocket"})
    upstream = await namespace.fetch("replies", LIMITS, sent, "http://h/socket", ())
    forwarded = to_js_response(ProxyResponse(upstream, [("x-request-id", "ours")], ()))
    assert forwarded.status == 101
    socket = forwarded.webSocket
    socket.accept()
    answered = asyncio.get_running_loop().create_future()
    socket.addEventListener(
        "message", create_once_callable(lambda event: answered.set_result(event.data))
    )
    socket.send("hi")
    assert await answered == "echo hi"
    socket.close()


async def test_an_exception_of_a_script_is_a_failure_without_its_message(
    namespace: RuntimeNamespace,
) -> None:
    """The script's exception is the cause, for the log, and not the message."""
    for kind in ("throw", "throw-nothing"):
        with pytest.raises(TenantWorkerFailure) as caught:
            await response_of(namespace, kind)
        assert "secret" not in caught.value.message


async def test_a_missing_script_is_worker_not_found(namespace: RuntimeNamespace) -> None:
    """The message names the script, for the publisher of the API."""
    with pytest.raises(WorkerNotFound, match="missing"):
        await namespace.fetch("missing", LIMITS, request("http://h/"), None, ())


async def test_a_response_of_our_own_has_status_headers_and_body() -> None:
    """A header that is given twice stays two headers."""
    found = to_js_response(
        Response(418, [("a", "1"), ("set-cookie", "x"), ("set-cookie", "y")], "bödy")
    )
    assert (found.status, found.headers.get("a")) == (418, "1")
    assert list(found.headers.getSetCookie()) == ["x", "y"]
    assert await found.text() == "bödy"


async def test_a_request_runs_until_it_has_a_response_or_is_released() -> None:
    """Then the promise that `waitUntil` got is resolved."""
    promises: list[Any] = []
    context = js.Object.new()
    context.waitUntil = create_proxy(promises.append)
    answered = RuntimeRequest(js.Request.new("http://h/"), context)
    ended = RuntimeRequest(js.Request.new("http://h/"), context)
    waiting = [asyncio.ensure_future(promise) for promise in promises]
    await asyncio.sleep(0.02)
    assert [one.done() for one in waiting] == [False, False]
    answered.respond(Response(204, (), ""))
    ended.end()
    await asyncio.wait_for(asyncio.gather(*waiting), timeout=2)


@pytest.mark.parametrize("value", ["a\nset-cookie: x", "a\n"])
def test_a_header_with_a_line_break_is_rejected(value: str) -> None:
    """It would become another header, or shift those after it."""
    with pytest.raises(ValueError, match="line break"):
        to_js_response(Response(200, (("x-own", value), ("x-other", "1")), ""))


# Responses to payments.


def test_a_response_may_have_a_status_that_allows_no_body() -> None:
    """A CORS preflight gets 204."""
    found = to_js_response(Response(204, (("access-control-allow-origin", "*"),), ""))
    assert (found.status, found.body) == (204, jsnull)


async def test_headers_are_removed_set_and_appended_in_this_order(
    namespace: RuntimeNamespace,
) -> None:
    """Our receipt replaces that of the script; the exposed headers of both are exposed."""
    upstream = await response_of(namespace, "receipt")
    assert upstream.header("payment-response") == "forged"
    assert upstream.header("x-missing") is None
    names = ("payment-response", "x-payment-response")
    exposed = ("access-control-expose-headers", "PAYMENT-RESPONSE")
    response = ProxyResponse(upstream, (("payment-response", "ours"),), names, (exposed,))
    headers = to_js_response(response).headers
    assert headers.get("payment-response") == "ours"
    assert headers.get("access-control-expose-headers") == "x-own, PAYMENT-RESPONSE"
    assert not headers.has("x-payment-response")


async def test_a_discarded_body_cannot_be_read(namespace: RuntimeNamespace) -> None:
    """A response that is not paid for stays unread; discarding it twice is no error."""
    upstream = await response_of(namespace, "receipt")
    await upstream.discard()
    await upstream.discard()
    reader = upstream.raw.body.getReader()
    assert (await reader.read()).done
