"""Who is let in: programs with the token, and nothing that runs in a browser."""

import http.client
from urllib.parse import urlsplit

import httpx
import pytest

from dev.cloudflare_api.gate import BODY_BYTES_MAX

from .stand_in import ACCOUNT, StandIn


def ask(account: StandIn, path: str, **headers: str) -> httpx.Response:
    """Ask with a good token and other headers."""
    good = {"authorization": f"Bearer {account.token}"}
    return httpx.get(account.url + path, headers={**good, **headers})


def test_a_good_token_is_let_in(account: StandIn) -> None:
    assert ask(account, "/accounts").json()["result"][0]["id"] == ACCOUNT
    assert ask(account, "/user/tokens/verify").json()["result"]["status"] == "active"


@pytest.mark.parametrize("wrong", ["", "Bearer", "Bearer nonsense", "Basic token-of-the-stand-in"])
def test_a_token_is_needed(account: StandIn, wrong: str) -> None:
    answer = ask(account, "/accounts", authorization=wrong)
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["code"] == 10000
    assert answer.json()["success"] is False


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "rebound.example"},
        {"host": "rebound.example:80"},
        {"host": "127.0.0.1.rebound.example"},
        {"host": "[broken"},
        {"origin": "https://page.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-origin"},
    ],
)
def test_a_web_page_is_not_let_in(account: StandIn, headers: dict[str, str]) -> None:
    answer = ask(account, "/accounts", **headers)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_another_account_is_not_opened(account: StandIn) -> None:
    answer = ask(account, f"/accounts/{'b' * 32}/storage/kv/namespaces")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, 9109)
    answer = ask(account, "/accounts/nonsense/storage/kv/namespaces")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, 7003)


@pytest.mark.parametrize("length", [str(BODY_BYTES_MAX + 1), "nonsense"])
def test_a_body_above_the_limit_is_refused_before_it_is_read(account: StandIn, length: str) -> None:
    parts = urlsplit(account.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port)
    connection.putrequest("PUT", f"{parts.path}/accounts")
    connection.putheader("authorization", f"Bearer {account.token}")
    connection.putheader("content-length", length)
    connection.endheaders()
    assert connection.getresponse().status in (400, 413)
    connection.close()
