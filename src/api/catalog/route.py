"""The route `/openapi.json`: the published APIs, for agents and indexers.

A document is made of every record, so it is cached as long as a lookup of one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

from api.explore.cache import ResponseCache
from api.explore.sources import UNREACHABLE, UpstreamFailed
from api.routes import CATALOG
from core import constants
from core.errors import ConfigurationError, MethodNotAllowed, StoreOutage, StoreUnavailable
from core.ports import Clock, Request, Response
from core.responses import CORS_HEADERS, REQUEST_ID_HEADER, etag_matches, text_response
from snapshots.serialization import json_text
from tenants.directory import TenantDirectory

_CACHE_CONTROL = f"public, max-age={constants.DIRECTORY_CACHE_SECONDS}"


class Document(NamedTuple):
    """A document made at `made_ms`, in milliseconds since 1970, and its tag."""

    made_ms: int
    tag: str
    text: str


@dataclass(slots=True)
class Catalog:
    """Serves the route for one isolate."""

    clock: Clock
    directory: TenantDirectory
    _cache: ResponseCache[Document] = field(init=False)

    def __post_init__(self) -> None:
        """Create the cache."""
        self._cache = ResponseCache(self.clock, self._make, constants.DIRECTORY_CACHE_SECONDS)

    async def handle(self, request: Request, request_id: str) -> Response:
        """Serve one request. Raises `MethodNotAllowed`, and `StoreOutage` without a directory."""
        if request.method not in CATALOG.methods:
            raise MethodNotAllowed(request.method, CATALOG.methods)
        try:
            rendered = await self._cache.get()
        except UpstreamFailed as error:
            raise StoreOutage from error
        headers = (
            ("cache-control", _CACHE_CONTROL),
            ("etag", f'W/"{rendered.tag}"'),
            *CORS_HEADERS,
        )
        if etag_matches(f'"{rendered.tag}"', request.headers.get("if-none-match", "")):
            return Response(304, (*headers, (REQUEST_ID_HEADER, request_id)), "")
        return text_response(rendered.text, request_id, headers=headers)

    async def _make(self) -> Document:
        # Imported late, because few isolates serve it.
        from api.catalog.document import catalog_document  # noqa: PLC0415

        now_ms = self.clock.now_ms()
        try:
            directory = await self.directory.read_all()
        except (ConfigurationError, StoreUnavailable) as error:
            raise UpstreamFailed(UNREACHABLE, str(error)) from error
        text = json_text(catalog_document(directory.by_slug.values()))
        tag = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
        return Document(now_ms, tag, text)
