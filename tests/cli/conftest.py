"""Fixtures for tests of the command: a fake account, and a market to publish to."""

from collections.abc import Iterator

import pytest

from tests.cloudflare.fake_account import AccountServer, FakeAccount, running_account_server

from .market import LocalMarket, running_market


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that share the market in one worker, and each other module in one."""
    for item in items:
        if "local_market" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("local-market"))
        elif item.nodeid.startswith("tests/cli/test_"):
            item.add_marker(pytest.mark.xdist_group(f"cli-{item.path.stem}"))


@pytest.fixture(scope="session")
def local_market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMarket]:
    """A running dispatcher with the local API and free APIs, shared by all tests.

    Tests restore its state, or use unique names.
    """
    with running_market(tmp_path_factory.mktemp("market")) as market:
        yield market


@pytest.fixture(scope="session")
def server() -> Iterator[AccountServer]:
    """The server of the fake accounts."""
    with running_account_server() as server:
        yield server


@pytest.fixture
def fake_account(server: AccountServer) -> Iterator[FakeAccount]:
    """An empty fake account, which fails a test that sends an invalid request.

    `.settings` are the environment variables that select it, `.requests` are the received requests,
    `.fail(…)` makes requests fail.
    """
    with FakeAccount().on(server) as fake_account:
        yield fake_account
    assert not fake_account.record.wrong, "\n".join(fake_account.record.wrong)
