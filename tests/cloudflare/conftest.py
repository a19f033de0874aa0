"""Fixtures: a fake account, and a client for it."""

from collections.abc import Iterator

import cloudflare
import pytest

from .fake_account import AccountServer, FakeAccount, running_account_server


@pytest.fixture(scope="session")
def server() -> Iterator[AccountServer]:
    """The server of the fake accounts."""
    with running_account_server() as server:
        yield server


@pytest.fixture
def account(server: AccountServer) -> Iterator[FakeAccount]:
    """An empty account; invalid requests do not fail the test."""
    with FakeAccount().on(server) as account:
        yield account


@pytest.fixture
def client(account: FakeAccount) -> Iterator[cloudflare.Cloudflare]:
    """The official SDK, without retries."""
    with cloudflare.Cloudflare(
        api_token=account.token, base_url=account.url, max_retries=0, timeout=5
    ) as client:
        yield client
