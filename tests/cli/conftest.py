"""What tests of the command share: an account to deploy to, and a market to publish in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloudflare.stand_in import Stage, StandIn, running_stage

from .market import LocalMarket, running_market


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that share the market in one worker, and each other module in one."""
    for item in items:
        if "local_market" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("local-market"))
        elif item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group(f"cli-{item.path.stem}"))


@pytest.fixture(scope="session")
def local_market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMarket]:
    """A running dispatcher with the local API, free APIs and no economy, for all to publish in.

    Tests leave it as they found it, or use names that nobody else does.
    """
    with running_market(tmp_path_factory.mktemp("market")) as market:
        yield market


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """Where the stand-ins answer."""
    with running_stage() as stage:
        yield stage


@pytest.fixture
def stand_in(stage: Stage) -> Iterator[StandIn]:
    """An account of Cloudflare's, empty, which fails the test that sends it nonsense.

    `.settings` are the environment variables that lead there, `.requests` is what it was sent,
    `.fail(…)` makes it fail.
    """
    with StandIn().on(stage) as stand_in:
        yield stand_in
    assert not stand_in.record.wrong, "\n".join(stand_in.record.wrong)
