"""What the public page reads: figures for everybody, of a fixed shape, whatever happens.

Owns the route `/api/explore/analytics`: its parameters and its answers. It
needs no token and shows none. Refuses to know where figures come from, and
how long they are kept.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from analytics import Analytics
from api.explore.cache import EdgeCache, RenderedSnapshot, StaleWhileRevalidateCache, finish
from api.explore.sanitize import empty_snapshot, safe_snapshot
from api.explore.sources import HTTP_ERROR, Source, UpstreamFailed, source_of
from api.routes import EXPLORE
from api.spec import query_pairs, read_parameters
from core import constants
from core.errors import MethodNotAllowed
from core.logs import fields
from core.ports import Background, Clock, Environment, Request, Response
from core.responses import REQUEST_ID_HEADER, etag_matches, json_response, text_response
from snapshots.render import WINDOWS

_FORM = 1
"""The form of what is left at the edge: another one gets another address, so that isolates of
two versions do not read each other's."""

_CACHE_CONTROL = (
    f"public, max-age={constants.EXPLORE_FRESH_SECONDS},"
    f" stale-while-revalidate={constants.EXPLORE_STALE_SECONDS - constants.EXPLORE_FRESH_SECONDS}"
)

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class Explore:
    """Answers the public page's requests of one isolate; `reader` is the platform API's."""

    environment: Environment
    clock: Clock
    reader: Analytics
    edge: EdgeCache | None
    _source: Source = field(init=False)
    _shelves: dict[str, StaleWhileRevalidateCache] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Decide for the isolate's life where figures come from."""
        self._source = source_of(self.environment, self.reader)

    async def handle(
        self, request: Request, query: str, request_id: str, background: Background
    ) -> Response:
        """Answer one request with `query`, which is empty or starts with `?`.

        Raises `MethodNotAllowed`, `InvalidWindow`, and `InvalidParameter` for one
        given twice or a query of hundreds; nothing else that is wrong is an error.
        """
        if request.method not in EXPLORE.methods:
            raise MethodNotAllowed(request.method, EXPLORE.methods)
        values = read_parameters(EXPLORE.parameters, query_pairs(query))
        window = values["window"] or WINDOWS[0]
        try:
            finished = await self._shelf(window).take(background)
        except UpstreamFailed as error:
            body = {
                "ok": False,
                "error": error.code,
                "window": window,
                "source": self._source.name,
                "snapshot": empty_snapshot(window, self.clock.now_ms()),
            }
            return json_response(body, request_id)
        wanted = request.headers.get("if-none-match", "")
        return _answer(finished, values["top"], wanted, request_id)

    def _shelf(self, window: str) -> StaleWhileRevalidateCache:
        if window not in self._shelves:

            async def make(background: Background) -> RenderedSnapshot:
                return await self._make(window, background)

            # A name of no server: it is never asked for anything.
            address = f"https://explore.invalid/{_FORM}/{self._source.name}/{window}"
            self._shelves[window] = StaleWhileRevalidateCache(self.clock, self.edge, address, make)
        return self._shelves[window]

    async def _make(self, window: str, background: Background) -> RenderedSnapshot:
        now_ms = self.clock.now_ms()
        try:
            found = await self._source.snapshot(window, background)
            snapshot = safe_snapshot(found, window, now_ms, constants.TOP_MAX)
            answer = {"ok": True, "window": window, "source": self._source.name}
            return finish(answer, snapshot, now_ms)
        except UpstreamFailed:
            raise
        except Exception as error:
            # A defect must not break the page either; the log has it.
            _LOGGER.exception("public_snapshot_failed", extra=fields(window=window))
            raise UpstreamFailed(HTTP_ERROR, "a defect") from error


def _answer(finished: RenderedSnapshot, top: int, wanted: str, request_id: str) -> Response:
    tag = f'"{finished.tag}-{top}"'
    headers = (("cache-control", _CACHE_CONTROL), ("etag", f"W/{tag}"))
    if etag_matches(tag, wanted):
        return Response(304, (*headers, (REQUEST_ID_HEADER, request_id)), "")
    return text_response(finished.body(top), request_id, headers=headers)
