"""The route `/api/explore/analytics`: public, sanitized data for the page.

It responds 200 even if analytics are unavailable, so that the page always works.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from analytics import WINDOWS, Analytics
from api.explore.cache import RenderedSnapshot, ResponseCache, render
from api.explore.sanitize import SafeRows, empty_snapshot, safe_snapshot
from api.explore.sources import HTTP_ERROR, Source, UpstreamFailed, source_of
from api.routes import EXPLORE
from api.spec import query_pairs, read_parameters
from core import constants
from core.errors import MethodNotAllowed
from core.logs import fields
from core.ports import Clock, Environment, Request, Response
from core.responses import (
    ANY_ORIGIN,
    REQUEST_ID_HEADER,
    etag_matches,
    is_preflight,
    json_response,
    preflight_response,
    text_response,
)

_CACHE_CONTROL = f"public, max-age={constants.EXPLORE_FRESH_SECONDS}"
_READABLE = (ANY_ORIGIN, ("access-control-expose-headers", f"ETag, {REQUEST_ID_HEADER}"))
_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class Explore:
    """Serves the route for one isolate."""

    environment: Environment
    clock: Clock
    analytics: Analytics
    _source: Source = field(init=False)
    _caches: dict[str, ResponseCache] = field(default_factory=dict)
    """By window."""

    def __post_init__(self) -> None:
        """Choose the source; settings cannot change during an isolate's lifetime."""
        self._source = source_of(self.environment, self.analytics)

    async def handle(self, request: Request, query: str, request_id: str) -> Response:
        """Serve one request with `query`, which is empty or starts with `?`.

        Raises `MethodNotAllowed`, `InvalidWindow`, and `InvalidParameter` for a parameter
        given twice or too many parameters.
        """
        if is_preflight(request):
            return preflight_response(request, request_id)
        if request.method not in EXPLORE.methods:
            raise MethodNotAllowed(request.method, EXPLORE.methods)
        values = read_parameters(EXPLORE.parameters, query_pairs(query))
        window = values["window"] or WINDOWS[0]
        try:
            rendered = await self._cache(window).get()
        except UpstreamFailed as error:
            body = {
                "ok": False,
                "error": error.code,
                "window": window,
                "source": self._source.name,
                "snapshot": empty_snapshot(window, self.clock.now_ms()),
            }
            return json_response(body, request_id, headers=_READABLE)
        if_none_match = request.headers.get("if-none-match", "")
        return _response(rendered, values["top"], if_none_match, request_id)

    def _cache(self, window: str) -> ResponseCache:
        if window not in self._caches:
            rows = SafeRows(window)

            async def make() -> RenderedSnapshot:
                return await self._make(window, rows)

            self._caches[window] = ResponseCache(self.clock, make)
        return self._caches[window]

    async def _make(self, window: str, rows: SafeRows) -> RenderedSnapshot:
        now_ms = self.clock.now_ms()
        try:
            document = await self._source.snapshot(window)
            snapshot = safe_snapshot(document, window, now_ms, constants.TOP_MAX, rows)
            body = {"ok": True, "window": window, "source": self._source.name}
            return render(body, snapshot, now_ms)
        except UpstreamFailed:
            raise
        except Exception as error:
            # The page must work despite a defect; the log has its details.
            _LOGGER.exception("public_snapshot_failed", extra=fields(window=window))
            raise UpstreamFailed(HTTP_ERROR, "a defect") from error


def _response(
    rendered: RenderedSnapshot, top: int, if_none_match: str, request_id: str
) -> Response:
    tag = f'"{rendered.tag}-{top}"'
    headers = (("cache-control", _CACHE_CONTROL), ("etag", f"W/{tag}"), *_READABLE)
    if etag_matches(tag, if_none_match):
        return Response(304, (*headers, (REQUEST_ID_HEADER, request_id)), "")
    return text_response(rendered.body(top), request_id, headers=headers)
