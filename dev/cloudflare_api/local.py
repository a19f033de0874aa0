"""The local API: Cloudflare's API on top of a running dispatcher.

What is uploaded lies where the dispatcher finds it, so an API answers as soon as its script
is there; values and databases are the dispatcher's own.
"""

import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from dev.cloudflare_api.application import PREFIX, application
from dev.cloudflare_api.explorer.client import Explorer
from dev.cloudflare_api.explorer.created import Created
from dev.cloudflare_api.explorer.d1 import ExplorerDatabases
from dev.cloudflare_api.explorer.kv import ExplorerKv
from dev.cloudflare_api.routes.account import AccountRoutes
from dev.cloudflare_api.routes.d1 import D1Routes
from dev.cloudflare_api.routes.dispatch import DispatchRoutes
from dev.cloudflare_api.routes.kv import KvRoutes
from dev.cloudflare_api.routes.no_workers import routes_without_workers
from dev.cloudflare_api.scripts.store import LocalDispatchNamespaces, Uploads
from dev.cloudflare_api.serving import served
from dev.launch.announcement import LOCAL_ACCOUNT


@dataclass(frozen=True, slots=True)
class LocalApi:
    """Where the local API answers.

    Args:
        url: Its address, without a slash at the end.
        token: The token that it takes; of this run alone.
    """

    url: str
    token: str


@contextmanager
def running_local_api(
    dispatcher_url: str,
    state: Path,
    folders: Sequence[Path],
    production: Mapping[str, Any],
) -> Iterator[LocalApi]:
    """Serve the API for the time of a `with` block.

    Args:
        dispatcher_url: Where the dispatcher listens, without a slash at the end.
        state: Its STATE.
        folders: The folders of scripts that it serves: first that of uploaded ones, then those
            that are only read.
        production: wrangler.toml, parsed: it names the databases.

    Raises:
        ServerError: It did not start.
    """
    token = secrets.token_urlsafe(32)
    explorer = Explorer(dispatcher_url)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await explorer.close()

    kv = ExplorerKv(explorer, Created(state, "kv"))
    names = {
        one["binding"]: one["database_name"]
        for one in production.get("d1_databases", [])
        if "database_name" in one
    }

    async def kv_ids() -> Iterable[str]:
        return [one.id for one in await kv.namespaces()]

    uploads = Uploads(folders[0], folders[1:], kv_ids)
    databases = ExplorerDatabases(explorer, Created(state, "d1"), names)
    app = application(
        [
            *AccountRoutes(LOCAL_ACCOUNT, "This machine").routes(),
            *DispatchRoutes(LocalDispatchNamespaces(uploads)).routes(),
            *KvRoutes(kv).routes(),
            *D1Routes(databases).routes(),
            *routes_without_workers(),
        ],
        token=token,
        account_id=LOCAL_ACCOUNT,
        lifespan=lifespan,
    )
    with served(app) as address:
        yield LocalApi(address + PREFIX, token)
