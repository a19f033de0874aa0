"""The local API: Cloudflare's API on top of a running dispatcher.

Uploaded scripts go into a folder that the dispatcher serves, so they can be called at once. KV
and D1 are those of the dispatcher.
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
from dev.cloudflare_api.explorer.created import CreatedNames
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
    """Address and token of the local API.

    Args:
        url: Its address, without a trailing slash.
        token: The accepted token; a new one for each run.
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
    """Serve the API during a `with` block.

    Args:
        dispatcher_url: The dispatcher's address, without a trailing slash.
        state: The dispatcher's STATE folder.
        folders: The folders of scripts that it serves: first the one for uploads, then
            read-only ones.
        production: The parsed wrangler.toml, which has the names of the databases.

    Raises:
        ServerError: The API did not start.
    """
    token = secrets.token_urlsafe(32)
    explorer = Explorer(dispatcher_url)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await explorer.close()

    kv = ExplorerKv(explorer, CreatedNames(state, "kv"))
    names = {
        one["binding"]: one["database_name"]
        for one in production.get("d1_databases", [])
        if "database_name" in one
    }

    async def kv_ids() -> Iterable[str]:
        return [one.id for one in await kv.namespaces()]

    uploads = Uploads(folders[0], folders[1:], kv_ids)
    databases = ExplorerDatabases(explorer, CreatedNames(state, "d1"), names)
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
