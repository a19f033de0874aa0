"""The Cache API, which the isolates of one location share."""

from __future__ import annotations

import logging
from typing import Any

import js
from pyodide.ffi import JsException

from core.logs import fields
from runtime.kv import js_object

CACHE = "clawr-explore"
"""The name of a separate cache: `caches.default` also stores responses of `fetch`."""

_LOGGER = logging.getLogger(__name__)


class RuntimeEdgeCache:
    """The Cache API (https://developers.cloudflare.com/workers/runtime-apis/cache/).

    On `workers.dev`, and where a location has evicted the entry, a read finds nothing.
    """

    def __init__(self) -> None:
        """Open nothing yet: a cache can be opened only in a request."""
        self._cache: Any = None

    async def read(self, address: str) -> str | None:
        """Return the text stored at an address; None if there is none, or if the cache fails."""
        try:
            response = await (await self._open()).match(address)
            return str(await response.text()) if response else None
        except JsException as error:
            _LOGGER.warning("edge_cache_not_read", extra=fields(address=address, cause=str(error)))
            return None

    async def write(self, address: str, text: str, seconds: int) -> None:
        """Store `text` at an address for `seconds`; log it if the cache fails."""
        lifetime = {"cache-control": f"public, max-age={seconds}"}
        try:
            response = js.Response.new(text, js_object({"headers": lifetime}))
            await (await self._open()).put(address, response)
        except JsException as error:
            _LOGGER.warning(
                "edge_cache_not_written", extra=fields(address=address, cause=str(error))
            )

    async def _open(self) -> Any:
        if self._cache is None:
            self._cache = await js.caches.open(CACHE)
        return self._cache
