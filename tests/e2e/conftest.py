"""One dispatcher for all tests that leave it as they found it; others start their own."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dev.launch import Server, running_dispatcher

from . import marketplace
from .caller import Caller

TOKEN = "token-of-the-end-to-end-tests"

Starter = Callable[..., AbstractContextManager[Server]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that share a dispatcher in one worker, and each other module in one."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            shared = "server" in getattr(item, "fixturenames", ())
            name = "shared" if shared else item.path.stem
            item.add_marker(pytest.mark.xdist_group(f"e2e-{name}"))


@pytest.fixture(scope="session")
def namespace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of scripts: the demo's and the tests' own."""
    return marketplace.make_namespace(tmp_path_factory.mktemp("namespace"))


@pytest.fixture(scope="session")
def start(namespace: Path) -> Starter:
    """Start a dispatcher that differs from the shared one in what is said."""

    @contextmanager
    def starter(
        state: Path,
        tenants: dict[str, Any] | None = None,
        variables: dict[str, str] | None = None,
    ) -> Iterator[Server]:
        with running_dispatcher(
            state=state,
            tenants=None if tenants is None else json.dumps(tenants, ensure_ascii=False),
            namespace=namespace,
            variables={"PLATFORM_ANALYTICS_TOKEN": TOKEN, **(variables or {})},
        ) as server:
            yield server

    return starter


@pytest.fixture(scope="session")
def server(start: Starter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The dispatcher that tests share."""
    with start(tmp_path_factory.mktemp("state"), marketplace.directory()) as server:
        yield server


@pytest.fixture
def caller(server: Server) -> Iterator[Caller]:
    """A caller of the shared dispatcher."""
    with Caller(server.url, TOKEN) as caller:
        yield caller
