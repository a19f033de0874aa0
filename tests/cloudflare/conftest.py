"""An account of the stand-in's, and a client of it."""

from collections.abc import Iterator

import cloudflare
import pytest

from .stand_in import Stage, StandIn, running_stage


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """Where the stand-ins answer."""
    with running_stage() as stage:
        yield stage


@pytest.fixture
def account(stage: Stage) -> Iterator[StandIn]:
    """An empty account, which tests may send nonsense to."""
    with StandIn().on(stage) as account:
        yield account


@pytest.fixture
def client(account: StandIn) -> Iterator[cloudflare.Cloudflare]:
    """The official SDK, which repeats nothing by itself."""
    with cloudflare.Cloudflare(
        api_token=account.token, base_url=account.url, max_retries=0, timeout=5
    ) as client:
        yield client
