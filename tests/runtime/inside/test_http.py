"""Requests and answers on their way between Python and JavaScript."""

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
    """A request as workerd hands it over, which never follows redirects by itself."""
    headers = js.Headers.new(list(init.pop("headers", {}).items()))
    context = js.Object.new()
    context.waitUntil = js.Promise.resolve.bind(js.Promise)
    raw = js.Request.new(url, headers=headers, redirect="manual", **init)
    return RuntimeRequest(raw, context)


def response(answer: Response | ProxyResponse) -> Any:
    """What `answer` becomes for workerd, whatever was asked."""
    return request("http://h/").respond(answer)


async def reply_of(namespace: RuntimeNamespace, kind: str) -> RuntimeUpstreamResponse:
    """What the script `replies` answers at `/KIND`."""
    return await namespace.fetch("replies", LIMITS, request(f"http://h/{kind}"), None, ())


# Requests and replies.


def test_headers_cross_by_lower_case_name() -> None:
    """Names are lower case, values as sent."""
    headers = request("http://h/", headers={"X-Agent-Id": "ägent", "Accept": "a, b"}).headers
    assert headers == {"x-agent-id": "ägent", "accept": "a, b"}


async def test_a_request_is_passed_on_as_it_is(namespace: RuntimeNamespace) -> None:
    """Method, URL, headers and body reach the script."""
    sent = request("http://h/a%2Fb?q=%20", method="POST", body="bödy", headers={"x-own": "1"})
    reply = await namespace.fetch("mirror", LIMITS, sent, None, ())
    echo = json.loads(await reply.raw.text())
    assert (reply.status, echo["method"], echo["url"]) == (201, "POST", "http://h/a%2Fb?q=%20")
    assert echo["body"] == "bödy"
    assert ["x-own", "1"] in echo["headers"]


async def test_the_url_can_be_replaced_and_headers_removed(namespace: RuntimeNamespace) -> None:
    """Everything else stays, the body too."""
    sent = request("http://h/t/x", method="PUT", body="b", headers={"x-clawr-a": "1", "x-own": "1"})
    reply = await namespace.fetch("mirror", LIMITS, sent, "http://h/?q", ["x-clawr-a"])
    echo = json.loads(await reply.raw.text())
    assert (echo["method"], echo["url"], echo["body"]) == ("PUT", "http://h/?q", "b")
    names = [name for name, _ in echo["headers"]]
    assert "x-own" in names
    assert "x-clawr-a" not in names


async def test_headers_are_removed_without_another_url(namespace: RuntimeNamespace) -> None:
    """A request at a tenant's own host keeps its URL."""
    sent = request("http://h/p", headers={"x-tenant-id": "fake"})
    reply = await namespace.fetch("mirror", LIMITS, sent, None, ["x-tenant-id"])
    echo = json.loads(await reply.raw.text())
    assert echo["url"] == "http://h/p"
    assert "x-tenant-id" not in [name for name, _ in echo["headers"]]


async def test_a_reply_is_relayed_with_its_headers_changed(namespace: RuntimeNamespace) -> None:
    """Reserved headers go, ours come, each cookie stays a header of its own."""
    reply = await namespace.fetch("mirror", LIMITS, request("http://h/"), None, ())
    assert "x-clawr-fake" in reply.header_names
    relayed = response(ProxyResponse(reply, [("x-request-id", "ours")], ["x-clawr-fake"]))
    assert relayed.status == 201
    assert relayed.headers.get("x-request-id") == "ours"
    assert not relayed.headers.has("x-clawr-fake")
    assert list(relayed.headers.getSetCookie()) == ["a=1; Path=/", "b=2; Path=/"]
    assert json.loads(await relayed.text())["method"] == "GET"


@pytest.mark.parametrize(
    ("kind", "status"), [("empty", 204), ("unchanged", 304), ("redirect", 302), ("hello", 200)]
)
async def test_any_status_is_relayed(namespace: RuntimeNamespace, kind: str, status: int) -> None:
    """Replies without a body and redirects pass through intact."""
    reply = await reply_of(namespace, kind)
    relayed = response(ProxyResponse(reply, [("x-request-id", "ours")], ()))
    assert (reply.status, relayed.status) == (status, status)
    assert relayed.headers.get("x-request-id") == "ours"
    assert await relayed.text() == ("hello" if kind == "hello" else "")


async def test_a_streamed_body_is_relayed(namespace: RuntimeNamespace) -> None:
    """The body is the tenant's own stream."""
    relayed = response(ProxyResponse(await reply_of(namespace, "stream"), (), ()))
    assert await relayed.text() == "one two three"


async def test_a_web_socket_is_relayed(namespace: RuntimeNamespace) -> None:
    """An upgrade stays an upgrade, and messages pass."""
    sent = request("http://h/socket", headers={"upgrade": "websocket"})
    reply = await namespace.fetch("replies", LIMITS, sent, "http://h/socket", ())
    relayed = response(ProxyResponse(reply, [("x-request-id", "ours")], ()))
    assert relayed.status == 101
    socket = relayed.webSocket
    socket.accept()
    answered = asyncio.get_running_loop().create_future()
    socket.addEventListener(
        "message", create_once_callable(lambda event: answered.set_result(event.data))
    )
    socket.send("hi")
    assert await answered == "echo hi"
    socket.close()


async def test_an_exception_of_a_script_is_a_failure_without_its_words(
    namespace: RuntimeNamespace,
) -> None:
    """What the tenant threw is the cause, for the log, and not the message."""
    for kind in ("throw", "throw-nothing"):
        with pytest.raises(TenantWorkerFailure) as caught:
            await reply_of(namespace, kind)
        assert "secret" not in caught.value.message


async def test_a_missing_script_is_worker_not_found(namespace: RuntimeNamespace) -> None:
    """The script is named, for whoever published the API."""
    with pytest.raises(WorkerNotFound, match="nobody"):
        await namespace.fetch("nobody", LIMITS, request("http://h/"), None, ())


async def test_an_answer_of_our_own_has_status_headers_and_body() -> None:
    """Headers given twice stay two."""
    made = response(Response(418, [("a", "1"), ("set-cookie", "x"), ("set-cookie", "y")], "bödy"))
    assert (made.status, made.headers.get("a")) == (418, "1")
    assert list(made.headers.getSetCookie()) == ["x", "y"]
    assert await made.text() == "bödy"


async def test_a_request_is_seen_through_until_it_is_answered_or_ended() -> None:
    """What `waitUntil` was given is done when there is an answer, or none to come."""
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
def test_a_line_break_does_not_get_into_a_header(value: str) -> None:
    """It would be another header, or shift those after it."""
    with pytest.raises(ValueError, match="line break"):
        response(Response(200, (("x-own", value), ("x-other", "1")), ""))


# What payments need of answers.


def test_an_answer_without_a_body_may_have_a_status_that_allows_none() -> None:
    """The answer to a browser's leave to ask is 204."""
    made = response(Response(204, (("access-control-allow-origin", "*"),), ""))
    assert (made.status, made.body) == (204, jsnull)


async def test_headers_are_taken_out_set_and_joined_in_this_order(
    namespace: RuntimeNamespace,
) -> None:
    """A script's own receipt gives way to ours; what both expose is exposed."""
    reply = await reply_of(namespace, "receipt")
    assert reply.header("payment-response") == "forged"
    assert reply.header("x-nobody-set-this") is None
    names = ("payment-response", "x-payment-response")
    exposed = ("access-control-expose-headers", "PAYMENT-RESPONSE")
    relay = ProxyResponse(reply, (("payment-response", "ours"),), names, (exposed,))
    headers = response(relay).headers
    assert headers.get("payment-response") == "ours"
    assert headers.get("access-control-expose-headers") == "x-own, PAYMENT-RESPONSE"
    assert not headers.has("x-payment-response")


async def test_a_discarded_body_is_nobodys(namespace: RuntimeNamespace) -> None:
    """What is not paid for is not handed out, and discarding twice is no error."""
    reply = await reply_of(namespace, "receipt")
    await reply.discard()
    await reply.discard()
    reader = reply.raw.body.getReader()
    assert (await reader.read()).done
