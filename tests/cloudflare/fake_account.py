"""The fake account, served on a local port."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from dev.cloudflare_api.application import PREFIX, application
from dev.cloudflare_api.responses import INVALID_SCRIPT, InvalidError
from dev.cloudflare_api.routes.account import AccountRoutes
from dev.cloudflare_api.routes.d1 import D1Routes
from dev.cloudflare_api.routes.dispatch import DispatchRoutes
from dev.cloudflare_api.routes.kv import KvRoutes
from dev.cloudflare_api.scripts.upload import Script
from dev.cloudflare_api.serving import served
from tests.cloudflare.asset_routes import AssetRoutes
from tests.cloudflare.checking import check
from tests.cloudflare.faults import Fault, Faults, Rule
from tests.cloudflare.memory import MemoryDatabases, MemoryDispatchNamespaces, MemoryKv
from tests.cloudflare.recording import Record, Recorder, Sent
from tests.cloudflare.tail_routes import TailRoutes
from tests.cloudflare.worker_routes import WorkerRoutes
from tests.cloudflare.workers import Workers
from tests.cloudflare.zone_routes import ZoneRoutes, Zones

ACCOUNT: Final = "a" * 32
TOKEN: Final = "token-of-the-fake-account"

_NAMED: Final = {"kv_namespace": "namespace_id", "d1": "id", "dispatch_namespace": "namespace"}
_NAMING: Final = ("database_id", "id", "namespace_id", "namespace")
"""The fields of a binding that refer to a resource; wrangler and the SDK differ for D1."""


class FakeAccount:
    """A fake account, empty at first."""

    def __init__(self) -> None:
        """Create the account."""
        self.url = ""
        """The API's base URL, without a trailing slash."""
        self.token = TOKEN
        self.account_id = ACCOUNT
        self.workers = Workers()
        self.namespaces = MemoryDispatchNamespaces()
        self.kv = MemoryKv()
        self.databases = MemoryDatabases()
        self.tails = TailRoutes(self.workers)
        self.assets = AssetRoutes()
        self.zones = Zones()
        self.record = Record()
        self._rules: list[Rule] = []

    @property
    def requests(self) -> list[Sent]:
        """The received requests, in order."""
        return self.record.requests

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables that select it in the SDK, wrangler and clawr."""
        return {
            "CLOUDFLARE_API_BASE_URL": self.url,
            "CLOUDFLARE_API_TOKEN": self.token,
            "CLOUDFLARE_ACCOUNT_ID": self.account_id,
        }

    def fail(
        self, method: str, path: str, fault: Fault, *, first: int = 1, times: int | None = 1
    ) -> None:
        """Make requests fail.

        Args:
            method: The method, `*` for any.
            path: A shell pattern of the path below the API's base URL, such as `*/secrets`.
            fault: The failure, such as `faults.RATE_LIMITED`.
            first: The number of the first request that fails, from 1.
            times: How many requests fail; `None` for all further ones.
        """
        self._rules.append(Rule(method, path, fault, first, times))

    @contextmanager
    def on(self, server: "AccountServer") -> Iterator["FakeAccount"]:
        """Serve this account during a `with` block."""
        self.url = server.url
        self.tails.url = server.url.replace("http:", "ws:", 1)
        server.app = self._application()
        try:
            yield self
        finally:
            self.databases.close()

    async def _check(self, script: Script, metadata: Mapping[str, Any]) -> None:
        """Raise `ApiError` if a script refers to resources that the account does not have."""
        existing = {
            "kv_namespace": {one.id for one in await self.kv.namespaces()},
            "d1": {one.id for one in await self.databases.databases()},
            "dispatch_namespace": {*self.namespaces.names()},
        }
        for one in script.bindings:
            named = next((one[key] for key in _NAMING if key in one), None)
            if one["type"] in existing and named not in existing[one["type"]]:
                raise InvalidError(
                    f"binding {one['name']} of type {one['type']} must have a valid "
                    f"`{_NAMED[one['type']]}` specified",
                    code=INVALID_SCRIPT,
                )
        token = metadata.get("assets", {}).get("jwt")
        if token is not None and token not in self.assets.manifests:
            raise InvalidError("The assets of this upload are incomplete.", code=INVALID_SCRIPT)

    def _application(self) -> ASGIApp:
        return application(
            [
                *AccountRoutes(self.account_id, "Fake account").routes(),
                *DispatchRoutes(self.namespaces).routes(),
                *KvRoutes(self.kv).routes(),
                *D1Routes(self.databases).routes(),
                *self.assets.routes(),
                *self.tails.routes(),
                *ZoneRoutes(self.zones).routes(),
                *WorkerRoutes(self.workers, self._check).routes(),
            ],
            token=self.token,
            account_id=self.account_id,
            behind_gate=[
                Middleware(Recorder, record=self.record, check=check, prefix=PREFIX),
                Middleware(Faults, rules=self._rules, prefix=PREFIX),
            ],
        )


class AccountServer:
    """A server that serves one account after another, because opening a port takes time."""

    def __init__(self) -> None:
        """Start without an account."""
        self.url = ""
        """The API's base URL, without a trailing slash."""
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to the current account (ASGI)."""
        assert self.app is not None
        await self.app(scope, receive, send)


@contextmanager
def running_account_server() -> Iterator[AccountServer]:
    """Run a server during a `with` block."""
    server = AccountServer()
    with served(server, has_sockets=True) as address:
        server.url = address + PREFIX
        yield server
