"""Fixtures: a shared dispatcher for tests that do not change it; other tests start their own."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dev.economy import Economy, running_economy
from dev.economy.payer import Payer, running_payer
from dev.launch import Server, running_dispatcher
from tests.support.prepared_start import prepared_start

from . import marketplace
from .attacked_dispatcher import SETTINGS as ATTACKED_SETTINGS
from .attacked_dispatcher import AttackedDispatcher, open_attacked_dispatcher
from .attacked_dispatcher import directory as attacked_directory
from .caller import Caller
from .facilitator_client import FacilitatorClient
from .fault_proxy import FaultProxy, running_fault_proxy
from .paid_dispatcher import PaidDispatcher, open_paid_dispatcher, priced_directory
from .payers import CLIENTS
from .shops import running_shop, running_v1_shop

TOKEN = "token-of-the-end-to-end-tests"

CONFIRMATION_SECONDS = 3.0
"""How long a settlement waits for its block in tests where no block comes."""

Starter = Callable[..., AbstractContextManager[Server]]
PayerOf = Callable[[str], Payer]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests that share a dispatcher in one worker, and each other module in one worker."""
    for item in items:
        if item.nodeid.startswith("tests/e2e/"):
            fixtures = getattr(item, "fixturenames", ())
            is_shared = {"server": "shared", "paid_dispatcher": "market", "attacked": "fortress"}
            name = next((group for fixture, group in is_shared.items() if fixture in fixtures), "")
            name = name or item.path.stem
            item.add_marker(pytest.mark.xdist_group(f"e2e-{name}"))


@pytest.fixture(scope="session")
def namespace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the scripts of the demo and of the tests."""
    return marketplace.make_namespace(tmp_path_factory.mktemp("namespace"))


@pytest.fixture(scope="session")
def start(namespace: Path) -> Starter:
    """Start a dispatcher with its own state, tenants and settings."""

    @contextmanager
    def starter(
        state: Path,
        tenants: dict[str, Any] | None = None,
        variables: dict[str, str] | None = None,
        *,
        is_prepared: bool = True,
    ) -> Iterator[Server]:
        with running_dispatcher(
            state=state,
            tenants=None if tenants is None else json.dumps(tenants, ensure_ascii=False),
            namespace=namespace,
            prepared=prepared_start() if is_prepared else None,
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


@pytest.fixture(scope="session")
def economy() -> Iterator[Economy]:
    """A chain, a token, a facilitator, and two buyers with a thousand dollars each."""
    with running_economy(confirmation_seconds=CONFIRMATION_SECONDS) as economy:
        yield economy


@pytest.fixture(scope="session")
def payer_of() -> Iterator[PayerOf]:
    """Return the official client of a name; it starts when it is first used."""
    running: dict[str, Payer] = {}
    with ExitStack() as stack:

        def payer_of(name: str) -> Payer:
            if name not in running:
                running[name] = stack.enter_context(running_payer(CLIENTS[name]))
            return running[name]

        yield payer_of


@pytest.fixture(scope="session")
def shared_fault_proxy(economy: Economy) -> Iterator[FaultProxy]:
    """A facilitator that fails on demand; tests use `fault_proxy`."""
    with running_fault_proxy(economy.facilitator_url) as proxy:
        yield proxy


@pytest.fixture
def fault_proxy(shared_fault_proxy: FaultProxy) -> FaultProxy:
    """A facilitator that fails on demand; no fault is set yet."""
    shared_fault_proxy.reset()
    return shared_fault_proxy


@dataclass(frozen=True, slots=True)
class Shops:
    """The URL of each shop's resource, which costs a cent, by x402 version."""

    v2: str
    v1: str


@pytest.fixture(scope="session")
def shops(economy: Economy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shops]:
    """Two shops in the economy, which do not use the dispatcher."""
    log = tmp_path_factory.mktemp("shop") / "shop.log"
    with running_shop(economy, log) as v2, running_v1_shop(economy) as v1:
        yield Shops(v2, v1)


@pytest.fixture(scope="session")
def facilitator(economy: Economy, payer_of: PayerOf, shops: Shops) -> FacilitatorClient:
    """A client that sends signed payments directly to the facilitator."""
    return FacilitatorClient(economy, payer_of("fetch"), shops.v2)


@pytest.fixture(scope="session")
def shared_paid_dispatcher(
    start: Starter,
    economy: Economy,
    shared_fault_proxy: FaultProxy,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PaidDispatcher]:
    """A dispatcher with priced APIs; tests use `paid_dispatcher`."""
    state = tmp_path_factory.mktemp("paid")
    settings = {**economy.settings(), "FACILITATOR_URL": shared_fault_proxy.url}
    with (
        start(state, priced_directory(), settings) as server,
        open_paid_dispatcher(server, economy, shared_fault_proxy, state, TOKEN) as paid_dispatcher,
    ):
        yield paid_dispatcher


@pytest.fixture
def paid_dispatcher(shared_paid_dispatcher: PaidDispatcher) -> PaidDispatcher:
    """A dispatcher with priced APIs; its facilitator has no fault set yet."""
    shared_paid_dispatcher.proxy.reset()
    return shared_paid_dispatcher


@pytest.fixture(scope="session")
def attacked(
    start: Starter, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AttackedDispatcher]:
    """The dispatcher of the security tests."""
    state = tmp_path_factory.mktemp("attacked")
    with (
        start(state, attacked_directory(), ATTACKED_SETTINGS) as server,
        open_attacked_dispatcher(server, state) as attacked,
    ):
        yield attacked
