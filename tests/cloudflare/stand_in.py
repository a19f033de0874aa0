"""The stand-in: an account of Cloudflare's on a port of this machine."""

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
from tests.cloudflare.worker_routes import WorkerRoutes
from tests.cloudflare.workers import Workers
from tests.cloudflare.zone_routes import ZoneRoutes, Zones

ACCOUNT: Final = "a" * 32
TOKEN: Final = "token-of-the-stand-in"

_NAMED: Final = {"kv_namespace": "namespace_id", "d1": "id", "dispatch_namespace": "namespace"}
_NAMING: Final = ("database_id", "id", "namespace_id", "namespace")
"""The fields in which a binding names what it leads to; wrangler and the SDK differ for D1."""


class StandIn:
    """One account, empty at first."""

    def __init__(self) -> None:
        """Make the account."""
        self.url = ""
        """The API's address, without a slash at the end."""
        self.token = TOKEN
        self.account_id = ACCOUNT
        self.workers = Workers()
        self.namespaces = MemoryDispatchNamespaces()
        self.kv = MemoryKv()
        self.databases = MemoryDatabases()
        self.assets = AssetRoutes()
        self.zones = Zones()
        self.record = Record()
        self._rules: list[Rule] = []

    @property
    def requests(self) -> list[Sent]:
        """Everything that it was sent, in order."""
        return self.record.requests

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables that lead the SDK, wrangler and clawr here."""
        return {
            "CLOUDFLARE_API_BASE_URL": self.url,
            "CLOUDFLARE_API_TOKEN": self.token,
            "CLOUDFLARE_ACCOUNT_ID": self.account_id,
        }

    def fail(
        self, method: str, path: str, fault: Fault, *, first: int = 1, times: int | None = 1
    ) -> None:
        """Let requests fail.

        Args:
            method: Their method, `*` for any.
            path: A pattern of their path below the API's address, such as `*/secrets`.
            fault: How they fail, such as `faults.RATE_LIMITED`.
            first: The first one that fails, from 1.
            times: How many fail; `None` for all from then on.
        """
        self._rules.append(Rule(method, path, fault, first, times))

    @contextmanager
    def on(self, stage: "Stage") -> Iterator["StandIn"]:
        """Answer at a stage for the time of a `with` block."""
        self.url = stage.url
        stage.app = self._application()
        try:
            yield self
        finally:
            self.databases.close()

    async def _check(self, script: Script, metadata: Mapping[str, Any]) -> None:
        """Raise `ApiError` when a script names what the account does not have."""
        there = {
            "kv_namespace": {one.id for one in await self.kv.namespaces()},
            "d1": {one.id for one in await self.databases.databases()},
            "dispatch_namespace": {*self.namespaces.names()},
        }
        for one in script.bindings:
            named = next((one[key] for key in _NAMING if key in one), None)
            if one["type"] in there and named not in there[one["type"]]:
                raise InvalidError(
                    f"binding {one['name']} of type {one['type']} must have a valid "
                    f"`{_NAMED[one['type']]}` specified",
                    code=INVALID_SCRIPT,
                )
        token = metadata.get("assets", {}).get("jwt")
        if token is not None and token not in self.assets.manifests:
            raise InvalidError("The assets of this upload are not all there.", code=INVALID_SCRIPT)

    def _application(self) -> ASGIApp:
        return application(
            [
                *AccountRoutes(self.account_id, "Stand-in").routes(),
                *DispatchRoutes(self.namespaces).routes(),
                *KvRoutes(self.kv).routes(),
                *D1Routes(self.databases).routes(),
                *self.assets.routes(),
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


class Stage:
    """A port at which one stand-in after another answers, as each port takes time to open."""

    def __init__(self) -> None:
        """Start without a stand-in."""
        self.url = ""
        """The API's address, without a slash at the end."""
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to whoever is on stage."""
        assert scope["type"] == "http"
        assert self.app is not None
        await self.app(scope, receive, send)


@contextmanager
def running_stage() -> Iterator[Stage]:
    """Open a stage for the time of a `with` block."""
    stage = Stage()
    with served(stage) as address:
        stage.url = address + PREFIX
        yield stage
