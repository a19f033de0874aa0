"""A wrapped API, called through the dispatcher in workerd."""

import time
from collections.abc import Iterator

import httpx
import pytest

from .local import Local
from .upstream import Upstream, running_upstream

SECONDS_MAX = 30


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with running_upstream() as upstream:
        yield upstream


def wrap(local: Local, upstream: Upstream, slug: str, *more: str) -> None:
    local.done(
        *("publish", "--wrap", f"{upstream.url}/v1?fixed=1", "--slug", slug, "--plan", "pro"),
        *("--method", "GET", "--method", "HEAD", "--method", "POST", "--cache-seconds", "30"),
        *("--secret-header", "x-api-key=UPSTREAM_KEY", "--timeout-seconds", "1"),
        *("--max-response-bytes", "4000", "--allow-private", "--execute", *more),
        UPSTREAM_KEY="swordfish",
    )


@pytest.fixture(scope="module")
def client(local: Local, upstream: Upstream) -> Iterator[httpx.Client]:
    wrap(local, upstream, "wrapped")
    with local.client("wrapped") as client:
        yield client


def test_path_and_query_are_appended_to_the_targets(
    client: httpx.Client,
) -> None:
    seen = client.get("/users/7?a=1&fixed=2&b=x%20y").json()
    assert seen["path"] == "/v1/users/7?fixed=1&a=1&b=x+y"
    assert client.get("").json()["path"] == "/v1?fixed=1"


@pytest.mark.parametrize("path", ["/%2e%2e/admin", "/x/..%2f..%2fadmin", "//evil.example/x"])
def test_no_path_leads_out_of_the_target(
    client: httpx.Client, upstream: Upstream, path: str
) -> None:
    before = len(upstream.seen)
    client.get(path)
    assert all(
        one["path"].startswith("/v1") and one["headers"]["host"] in upstream.url
        for one in upstream.seen[before:]
    )


def test_the_secret_is_sent_to_the_target_only(client: httpx.Client, upstream: Upstream) -> None:
    assert client.get("/x", headers={"x-api-key": "mine"}).status_code == 200
    assert upstream.seen[-1]["headers"]["x-api-key"] == "swordfish"
    client.get("/redirect-elsewhere")
    assert upstream.seen[-1]["path"] == "/v1/landed"
    assert "x-api-key" not in upstream.seen[-1]["headers"]


def test_platform_headers_are_not_forwarded(client: httpx.Client, upstream: Upstream) -> None:
    sent = {
        "authorization": "Bearer mine",
        "cookie": "a=b",
        "x-payment": "p",
        "payment-signature": "p",
        "x-agent-id": "me",
        "x-forwarded-for": "1.2.3.4",
        "x-clawr-plan": "pro",
        "x-kept": "yes",
        "accept": "text/x",
    }
    answer = client.get("/headers", headers=sent)
    seen = upstream.seen[-1]["headers"]
    assert (seen["x-kept"], seen["accept"]) == ("yes", "text/x")
    gone = {*sent, "x-tenant-id", "cf-connecting-ip"} - {"x-kept", "accept"}
    assert not gone & set(seen)
    assert answer.headers["x-own"] == "yes"
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "public, max-age=30"


def test_bodies_are_forwarded_in_both_directions(client: httpx.Client) -> None:
    assert client.post("/echo", content=b"hello").json()["body"] == "hello"
    assert client.get("/packed").json() == {"packed": True}
    assert client.get("/small-chunked").text == "part part part "
    head = client.head("/x")
    assert (head.status_code, head.content) == (200, b"")


def test_other_methods_are_not_forwarded(client: httpx.Client, upstream: Upstream) -> None:
    before = len(upstream.seen)
    answer = client.delete("/x")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")
    assert len(upstream.seen) == before


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/slow", 504, "upstream_timeout"),
        ("/broken", 502, "upstream_error"),
        ("/refused", 502, "upstream_credentials"),
        ("/hang-up", 502, "upstream_unreachable"),
        ("/large", 502, "upstream_too_large"),
        ("/large-chunked", 502, "upstream_too_large"),
        ("/redirect-loop", 502, "upstream_redirect"),
        ("/redirect-file", 502, "upstream_refused"),
    ],
)
def test_failures_of_the_target_have_their_error_codes(
    client: httpx.Client, path: str, status: int, error: str
) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["ok"] is False
    assert "sk-1" not in answer.text
    assert "secret of" not in answer.text


def test_client_errors_of_the_target_are_forwarded(client: httpx.Client) -> None:
    answer = client.get("/missing")
    assert (answer.status_code, answer.json()) == (404, {"error": "nothing here"})


def test_redirects_are_followed_for_reads_only(client: httpx.Client) -> None:
    assert client.get("/redirect-inside").json()["path"] == "/v1/landed"
    answer = client.post("/redirect-inside", content=b"x")
    assert (answer.status_code, answer.json()["error"]) == (502, "upstream_redirect")


def test_the_script_does_not_call_private_networks(local: Local, upstream: Upstream) -> None:
    """The script checks addresses itself, even if the command's check was bypassed."""
    wrap(local, upstream, "closed")
    settings = local.state / "uploads" / "closed" / "settings.js"
    text = settings.read_text()
    assert '"allowPrivate": true' in text
    settings.write_text(text.replace('"allowPrivate": true', '"allowPrivate": false'))
    with local.client("closed") as client:
        deadline = time.monotonic() + SECONDS_MAX
        while client.get("/x").status_code == 200:
            assert time.monotonic() < deadline
        before = len(upstream.seen)
        answer = client.get("/x")
    assert (answer.status_code, answer.json()["error"]) == (502, "upstream_refused")
    assert len(upstream.seen) == before


def test_the_callers_authorization_is_forwarded_with_the_option(
    local: Local, upstream: Upstream
) -> None:
    wrap(local, upstream, "forwarding", "--forward-authorization")
    with local.client("forwarding") as client:
        client.get("/x", headers={"authorization": "Bearer mine"})
    assert upstream.seen[-1]["headers"]["authorization"] == "Bearer mine"
