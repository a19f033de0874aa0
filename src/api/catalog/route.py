"""The catalog's routes for agents and crawlers, at the dispatcher's own host.

`/openapi.json` and `/.well-known/x402` are made of every record, the others of the catalog that the
public page shows. What is made is cached as long as a lookup of a record.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

from api.catalog.routes import CATALOG, LLMS, ROBOTS, SITEMAP, X402
from api.explore.cache import ResponseCache
from api.explore.listing import ORIGIN
from api.explore.route import Explore
from api.explore.sources import UNREACHABLE, UpstreamFailed
from core import constants
from core.errors import ConfigurationError, MethodNotAllowed, StoreOutage, StoreUnavailable
from core.ports import Clock, Environment, Request, Response
from core.responses import CORS_HEADERS, REQUEST_ID_HEADER, etag_matches, text_response
from snapshots.serialization import json_text
from tenants.directory import TenantDirectory

ROOT = "/"
MCP = "/mcp"
PATHS = frozenset((MCP, CATALOG.path, X402.path, LLMS.path, ROBOTS.path, SITEMAP.path))
"""The paths of these routes; `ROOT` is one where it is no API's."""

_CACHE_CONTROL = f"public, max-age={constants.DIRECTORY_CACHE_SECONDS}"
_JSON = "application/json; charset=utf-8"
_TYPES = {
    LLMS.path: "text/plain; charset=utf-8",
    ROBOTS.path: "text/plain; charset=utf-8",
    SITEMAP.path: "application/xml; charset=utf-8",
}


class Document(NamedTuple):
    """A document made at `made_ms`, in milliseconds since 1970; `tag` identifies its text."""

    made_ms: int
    tag: str
    text: str


@dataclass(slots=True)
class Catalog:
    """Serves the routes for one isolate."""

    environment: Environment
    clock: Clock
    directory: TenantDirectory
    explore: Explore
    _caches: dict[str, ResponseCache[Document]] = field(default_factory=dict)
    """By path."""

    async def handle(self, request: Request, path: str, request_id: str) -> Response:
        """Serve one request for one of `PATHS`, or for `ROOT`.

        Raises `MethodNotAllowed`, and `StoreOutage` if the directory cannot be read.
        """
        origin = "/".join(request.url.split("/", 3)[:3])
        if path == MCP:
            # Imported late, like the writers of documents, because few isolates serve them.
            from api.catalog.mcp import handle_message  # noqa: PLC0415
            from api.catalog.tools import Tools  # noqa: PLC0415

            tools = Tools(self.environment, self.directory, self.explore, origin)
            return await handle_message(request, tools, request_id)
        if request.method not in CATALOG.methods:
            raise MethodNotAllowed(request.method, CATALOG.methods)
        if path == ROOT:
            location = (("location", "/explore"), ("cache-control", _CACHE_CONTROL))
            return Response(302, (*location, (REQUEST_ID_HEADER, request_id)), "")
        try:
            document = await self._cache(path).get()
        except UpstreamFailed as error:
            raise StoreOutage from error
        headers = (
            ("content-type", _TYPES.get(path, _JSON)),
            ("cache-control", _CACHE_CONTROL),
            ("etag", f'W/"{document.tag}"'),
            *CORS_HEADERS,
        )
        if etag_matches(f'"{document.tag}"', request.headers.get("if-none-match", "")):
            return Response(304, (*headers[1:], (REQUEST_ID_HEADER, request_id)), "")
        escaped = json_text(origin)[1:-1] if path == X402.path else _escaped_for_xml(origin)
        text = document.text.replace(ORIGIN, escaped)
        return text_response(text, request_id, headers=headers)

    def _cache(self, path: str) -> ResponseCache[Document]:
        if path not in self._caches:
            make = self._make_of_records if path in (CATALOG.path, X402.path) else self._make

            async def make_document() -> Document:
                text = await make(path)
                tag = hashlib.blake2b(text.encode(errors="replace"), digest_size=12).hexdigest()
                return Document(self.clock.now_ms(), tag, text)

            seconds = constants.DIRECTORY_CACHE_SECONDS
            self._caches[path] = ResponseCache(self.clock, make_document, seconds)
        return self._caches[path]

    async def _make_of_records(self, path: str) -> str:
        from api.catalog.document import catalog_document, paid_paths  # noqa: PLC0415

        try:
            directory = await self.directory.read_all()
        except (ConfigurationError, StoreUnavailable) as error:
            raise UpstreamFailed(UNREACHABLE, str(error)) from error
        document = catalog_document(directory.by_slug.values())
        if path == CATALOG.path:
            return json_text(document)
        resources = [f'"{ORIGIN}{paid}"' for paid in paid_paths(document)]
        return f'{{"version":1,"resources":[{",".join(resources)}]}}'

    async def _make(self, path: str) -> str:
        from api.catalog.texts import llms_text, robots_text, sitemap_text  # noqa: PLC0415

        if path == ROBOTS.path:
            return robots_text()
        catalog = await self.explore.catalog()
        apis = list(catalog.apis.values())
        if path == SITEMAP.path:
            return sitemap_text(apis)
        return llms_text(apis, self.explore.base_url)


def _escaped_for_xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
