"""An account of the stand-in's, and a client of it."""

from collections.abc import Iterator

import cloudflare
import pytest

from .stand_in import StandIn


@pytest.fixture
def account() -> Iterator[StandIn]:
    """An empty account, which tests may send nonsense to."""
    with StandIn().running() as account:
        yield account


@pytest.fixture
def client(account: StandIn) -> Iterator[cloudflare.Cloudflare]:
    """The official SDK, which repeats nothing by itself."""
    with cloudflare.Cloudflare(
        api_token=account.token, base_url=account.url, max_retries=0, timeout=5
    ) as client:
        yield client
