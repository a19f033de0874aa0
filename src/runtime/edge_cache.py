"""The Workers runtime's Cache API: what the isolates of one location share.

Beside `runtime` one of the few that import `js` and `pyodide`. Owns these
crossings between Python and JavaScript. Refuses to decide anything.

JavaScript objects have no types here, so they are `Any`.
"""

from __future__ import annotations

import logging
from typing import Any

import js
from pyodide.ffi import JsException

from core.logs import fields
from runtime.kv import js_object

CACHE = "clawr-explore"
"""A cache of its own, and not `caches.default`, which answers of `fetch` get into as well."""

_LOGGER = logging.getLogger(__name__)


class RuntimeEdgeCache:
    """The Cache API (https://developers.cloudflare.com/workers/runtime-apis/cache/).

    On `workers.dev` and where a location has dropped it, nothing is found, which is no error.
    """

    def __init__(self) -> None:
        """Open nothing yet: a cache is opened in a request."""
        self._cache: Any = None

    async def read(self, address: str) -> str | None:
        """Find what was left at an address; None when nothing is there, or the cache fails."""
        try:
            found = await (await self._opened()).match(address)
            return str(await found.text()) if found else None
        except JsException as error:
            _LOGGER.warning("edge_cache_not_read", extra=fields(address=address, cause=str(error)))
            return None

    async def write(self, address: str, text: str, seconds: int) -> None:
        """Leave `text` at an address for `seconds`, unless the cache fails."""
        lifetime = {"cache-control": f"public, max-age={seconds}"}
        try:
            kept = js.Response.new(text, js_object({"headers": lifetime}))
            await (await self._opened()).put(address, kept)
        except JsException as error:
            _LOGGER.warning(
                "edge_cache_not_written", extra=fields(address=address, cause=str(error))
            )

    async def _opened(self) -> Any:
        if self._cache is None:
            self._cache = await js.caches.open(CACHE)
        return self._cache
