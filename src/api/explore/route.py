"""The route `/api/explore/analytics`: public, sanitized data for the page.

It responds 200 even if analytics are unavailable, so that the page always works.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from analytics import WINDOWS, Analytics
from api.explore.cache import ResponseCache
from api.explore.catalog import Catalog
from api.explore.listing import ORIGIN, Listing, Row, RowTexts, View, listing_of
from api.explore.routes import EXPLORE
from api.explore.sanitize import SafeRows, empty_snapshot, safe_snapshot
from api.explore.sources import HTTP_ERROR, Source, UpstreamFailed, source_of
from api.spec import Values, query_pairs, read_parameters
from core import constants
from core.calendar import timestamp
from core.errors import InvalidParameter, MethodNotAllowed
from core.logs import fields
from core.ports import Clock, Environment, Request, Response
from core.responses import (
    ANY_ORIGIN,
    REQUEST_ID_HEADER,
    etag_matches,
    is_preflight,
    preflight_response,
    text_response,
)
from snapshots.serialization import json_text
from tenants.catalog import READ_SECONDS
from tenants.directory import TenantDirectory

_CACHE_CONTROL = f"public, max-age={constants.EXPLORE_FRESH_SECONDS}"
_READABLE = (ANY_ORIGIN, ("access-control-expose-headers", f"ETag, {REQUEST_ID_HEADER}"))
_SAME_WINDOW = {"7d": "week", "all": "overall"}
_DAY = re.compile(r"[0-9-]{10}", re.ASCII)
_RANGE_SECONDS = 30
"""How long a range is fresh; it costs more to make than a window."""

_CACHES_MAX = 20
"""Windows and ranges; any day may be requested."""

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class Explore:
    """Serves the route for one isolate. Without a directory, it knows no catalog."""

    environment: Environment
    clock: Clock
    analytics: Analytics
    directory: TenantDirectory | None = None
    _source: Source = field(init=False)
    _caches: dict[str, ResponseCache[Listing]] = field(default_factory=dict)
    """By window or range."""
    _catalog: ResponseCache[Catalog] = field(init=False)

    def __post_init__(self) -> None:
        """Choose the source; settings cannot change during an isolate's lifetime."""
        self._source = source_of(self.environment, self.clock, self.analytics, self.directory)
        is_own = self._source.name == "self"
        fresh_seconds = constants.EXPLORE_FRESH_SECONDS if is_own else READ_SECONDS
        self._catalog = ResponseCache(self.clock, self._source.catalog, fresh_seconds)

    @property
    def base_url(self) -> str:
        """The address below which the APIs are called; empty for that of the request."""
        return self._source.url

    async def rows(self, window: str) -> Sequence[Row]:
        """Return the rows of a window. Raises `UpstreamFailed`."""
        return (await self._cache(window).get()).rows

    async def catalog(self) -> Catalog:
        """Return the live APIs. Raises `UpstreamFailed` if they cannot be read."""
        return await self._catalog.get()

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
        window = self._period(values)
        origin = "/".join(request.url.split("/", 3)[:3])
        try:
            listing = await self._cache(window).get()
        except UpstreamFailed as error:
            body = {"ok": False, "error": error.code, "window": window, "source": self._source.name}
            empty = {**empty_snapshot(window, self.clock.now_ms()), "demoHistory": None}
            unknown = Catalog(self.clock.now_ms(), is_known=False)
            listing = listing_of(body, empty, unknown, unknown.made_ms, RowTexts())
            return text_response(listing.text(View(), 0, origin), request_id, headers=_READABLE)
        if_none_match = request.headers.get("if-none-match", "")
        return _response(listing, values, origin, if_none_match, request_id)

    def _period(self, values: Values) -> str:
        """Return the window or the range that is wanted. Raises `InvalidParameter`."""
        name: str = values["range"] or values["window"] or WINDOWS[0]
        if _DAY.fullmatch(name) and name > timestamp(self.clock.now_ms()):
            raise InvalidParameter("range", "a UTC day that has begun")
        return _SAME_WINDOW.get(name, name)

    async def calls_of(self, slug: str) -> int | None:
        """Return all calls ever of an API that is in the totals; None if it is not.

        Raises `UpstreamFailed`.
        """
        snapshot = await self._source.snapshot("overall")
        calls = [row["calls"] for row in snapshot["allApis"] if row["endpoint"] == f"/t/{slug}"]
        return sum(calls) if calls else None

    def _cache(self, window: str) -> ResponseCache[Listing]:
        if window not in self._caches:
            rows, texts = SafeRows(window), RowTexts(json_text(self._source.url)[1:-1] or ORIGIN)

            async def make() -> Listing:
                return await self._make(window, rows, texts)

            is_window = window in WINDOWS
            if not is_window and len(self._caches) >= _CACHES_MAX:
                self._caches.clear()
            fresh_seconds = constants.EXPLORE_FRESH_SECONDS if is_window else _RANGE_SECONDS
            self._caches[window] = ResponseCache(self.clock, make, fresh_seconds)
        return self._caches[window]

    async def _make(self, window: str, rows: SafeRows, texts: RowTexts) -> Listing:
        now_ms = self.clock.now_ms()
        try:
            document = await self._source.snapshot(window)
            snapshot = {
                **safe_snapshot(document, window, now_ms, constants.TOP_MAX, rows),
                "demoHistory": await self._source.demo_history(),
            }
            body = {"ok": True, "window": window, "source": self._source.name}
            catalog = await self._known_catalog()
            return listing_of(body, snapshot, catalog, now_ms, texts)
        except UpstreamFailed:
            raise
        except Exception as error:
            # The page must work despite a defect; the log has its details.
            _LOGGER.exception("public_snapshot_failed", extra=fields(window=window))
            raise UpstreamFailed(HTTP_ERROR, "a defect") from error

    async def _known_catalog(self) -> Catalog:
        try:
            return await self.catalog()
        except UpstreamFailed:
            return Catalog(self.clock.now_ms(), is_known=False)


def _view_of(values: Values) -> View:
    return View(
        values["q"],
        values["category"],
        values["owner"],
        values["tag"],
        values["api"],
        values["sort"],
        values["order"] == "desc",
        values["offset"],
        values["limit"],
    )


def _response(
    listing: Listing, values: Values, origin: str, if_none_match: str, request_id: str
) -> Response:
    view, top = _view_of(values), values["top"]
    tag = f'"{listing.tag_of(view, top)}"'
    headers = (("cache-control", _CACHE_CONTROL), ("etag", f"W/{tag}"), *_READABLE)
    if etag_matches(tag, if_none_match):
        return Response(304, (*headers, (REQUEST_ID_HEADER, request_id)), "")
    return text_response(listing.text(view, top, origin), request_id, headers=headers)
