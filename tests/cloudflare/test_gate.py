"""The local API accepts programs with the token, and no web pages."""

import http.client
from urllib.parse import urlsplit

import httpx
import pytest

from dev.cloudflare_api.gate import BODY_BYTES_MAX

from .fake_account import ACCOUNT, FakeAccount


def get(account: FakeAccount, path: str, **headers: str) -> httpx.Response:
    """Send a request with a valid token and other headers."""
    good = {"authorization": f"Bearer {account.token}"}
    return httpx.get(account.url + path, headers={**good, **headers})


def test_a_valid_token_is_accepted(account: FakeAccount) -> None:
    assert get(account, "/accounts").json()["result"][0]["id"] == ACCOUNT
    assert get(account, "/user/tokens/verify").json()["result"]["status"] == "active"


@pytest.mark.parametrize(
    "wrong", ["", "Bearer", "Bearer nonsense", "Basic token-of-the-fake-account"]
)
def test_a_token_is_required(account: FakeAccount, wrong: str) -> None:
    response = get(account, "/accounts", authorization=wrong)
    assert response.status_code == 401
    assert response.json()["errors"][0]["code"] == 10000
    assert response.json()["success"] is False


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
def test_a_web_page_is_rejected(account: FakeAccount, headers: dict[str, str]) -> None:
    response = get(account, "/accounts", **headers)
    assert response.status_code == 403
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_another_account_is_rejected(account: FakeAccount) -> None:
    response = get(account, f"/accounts/{'b' * 32}/storage/kv/namespaces")
    assert (response.status_code, response.json()["errors"][0]["code"]) == (403, 9109)
    response = get(account, "/accounts/nonsense/storage/kv/namespaces")
    assert (response.status_code, response.json()["errors"][0]["code"]) == (404, 7003)


@pytest.mark.parametrize("length", [str(BODY_BYTES_MAX + 1), "nonsense"])
def test_a_body_above_the_limit_is_rejected_before_it_is_read(
    account: FakeAccount, length: str
) -> None:
    parts = urlsplit(account.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port)
    connection.putrequest("PUT", f"{parts.path}/accounts")
    connection.putheader("authorization", f"Bearer {account.token}")
    connection.putheader("content-length", length)
    connection.endheaders()
    assert connection.getresponse().status in (400, 413)
    connection.close()
