"""Everything below `/explore`: the page of each API, and the files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from api.explore.assets import FILE_HEADERS, METHODS, PAGE_PATH, page_response
from api.explore.route import Explore
from api.explore.routes import EXPLORE_USAGE
from api.explore.sources import UpstreamFailed, upstream_of
from core.errors import MethodNotAllowed, NotFound
from core.ports import Environment, ProxyResponse, Request, Response
from core.responses import ANY_ORIGIN, REQUEST_ID_HEADER, etag_matches, prefers_page
from tenants.directory import TenantDirectory
from tenants.records import SLUG

if TYPE_CHECKING:
    from api.explore.usage import ExploreUsage

_NO_SUCH_API = f"No API is published under this name; all are at {PAGE_PATH}."


class ExplorePages:
    """Serves the pages of one isolate. An API's page is made of its record in `directory`."""

    def __init__(
        self, environment: Environment, directory: TenantDirectory, explore: Explore
    ) -> None:
        """Take what the pages are made of."""
        self.environment = environment
        self.directory = directory
        self.explore = explore
        self._usage: ExploreUsage | None = None

    async def serve_data(
        self, request: Request, path: str, query: str, request_id: str
    ) -> Response:
        """Serve one request for data of the pages; raises as the handlers do."""
        if path == EXPLORE_USAGE.path:
            return await self.usage(request, query, request_id)
        return await self.explore.handle(request, query, request_id)

    async def usage(self, request: Request, query: str, request_id: str) -> Response:
        """Serve one request for the use of an API; raises as `ExploreUsage.handle`."""
        upstream = upstream_of(self.environment)
        if upstream is not None:
            address = f"{upstream[0]}{EXPLORE_USAGE.path}{query}"
            return Response(
                307, (("location", address), ANY_ORIGIN, (REQUEST_ID_HEADER, request_id)), ""
            )
        if self._usage is None:
            # Imported here because only the page of an API needs it.
            from api.explore.usage import ExploreUsage  # noqa: PLC0415

            clock, analytics = self.explore.clock, self.explore.analytics
            self._usage = ExploreUsage(self.environment, clock, self.directory, analytics)
        return await self._usage.handle(request, query, request_id)

    async def handle(
        self, request: Request, origin: str, path: str, request_id: str
    ) -> Response | ProxyResponse:
        """Serve one request for `path`, which is the page or below it.

        Raises `MethodNotAllowed`, `NotFound`, `BindingMissing`, and as `TenantDirectory.by_slug`.
        """
        slug = path.removeprefix(f"{PAGE_PATH}/")
        if not SLUG.fullmatch(slug):
            return await page_response(self.environment, request, origin + path, request_id)
        if request.method not in METHODS:
            raise MethodNotAllowed(request.method, METHODS)
        upstream = upstream_of(self.environment)
        if upstream is not None:
            # The other dispatcher has the record, and is where the API is called.
            location = ("location", f"{upstream[0]}{path}")
            return Response(307, (location, (REQUEST_ID_HEADER, request_id)), "")
        # Imported here because few requests need them.
        from api.explore.api_page import api_page, missing_page  # noqa: PLC0415

        tenant = await self.directory.by_slug(slug)
        if tenant is not None:
            body = api_page(tenant, self.environment, origin)
            return _html(body, request, request_id)
        if not prefers_page(request.headers):
            raise NotFound(_NO_SUCH_API)
        body = missing_page(slug, await self._calls_before(slug))
        return _html(body, request, request_id, status=404)

    async def _calls_before(self, slug: str) -> int | None:
        """Return how often an API was called that is not published any more; None if never."""
        try:
            return await self.explore.calls_of(slug)
        except UpstreamFailed:
            return None


def _html(body: str, request: Request, request_id: str, status: int = 200) -> Response:
    tag = f'"{hashlib.blake2b(body.encode(), digest_size=12).hexdigest()}"'
    headers = (
        ("content-type", "text/html; charset=utf-8"),
        ("etag", f"W/{tag}"),
        *FILE_HEADERS,
        (REQUEST_ID_HEADER, request_id),
    )
    if status == 200 and etag_matches(tag, request.headers.get("if-none-match", "")):
        return Response(304, headers[1:], "")
    return Response(status, headers, body, "" if status == 200 else NotFound.code)
