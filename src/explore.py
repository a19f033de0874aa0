"""What the public page reads: figures for everybody, of a fixed shape, whatever happens.

Owns the route `/api/explore/analytics`: its parameters and its answers. It
needs no token and shows none. Refuses to know where figures come from, and
how long they are kept.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import limits
from analytics import WINDOWS
from api_routes import EXPLORE
from caching import is_known
from errors import MethodNotAllowed
from finished import Finished, finish
from logs import about
from parameters import query_pairs, read_parameters
from ports import Answer, Background, Clock, Environment, Request
from reader import SnapshotReader
from responses import REQUEST_ID, json_answer, text_answer
from safe_snapshot import empty_snapshot, safe_snapshot
from shelf import EdgeCache, Shelf
from upstream import HTTP_ERROR, Source, UpstreamFailed, source_of

_FORM = 1
"""The form of what is left at the edge: another one gets another address, so that isolates of
two versions do not read each other's."""

_CACHE_CONTROL = (
    f"public, max-age={limits.EXPLORE_FRESH_SECONDS},"
    f" stale-while-revalidate={limits.EXPLORE_STALE_SECONDS - limits.EXPLORE_FRESH_SECONDS}"
)

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class Explore:
    """Answers the public page's requests of one isolate; `reader` is the platform API's."""

    environment: Environment
    clock: Clock
    reader: SnapshotReader
    edge: EdgeCache | None
    _source: Source = field(init=False)
    _shelves: dict[str, Shelf] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Decide for the isolate's life where figures come from."""
        self._source = source_of(self.environment, self.reader)

    async def handle(
        self, request: Request, query: str, request_id: str, background: Background
    ) -> Answer:
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
            return json_answer(body, request_id)
        wanted = request.headers.get("if-none-match", "")
        return _answer(finished, values["top"], wanted, request_id)

    def _shelf(self, window: str) -> Shelf:
        if window not in self._shelves:

            async def make(background: Background) -> Finished:
                return await self._make(window, background)

            # A name of no server: it is never asked for anything.
            address = f"https://explore.invalid/{_FORM}/{self._source.name}/{window}"
            self._shelves[window] = Shelf(self.clock, self.edge, address, make)
        return self._shelves[window]

    async def _make(self, window: str, background: Background) -> Finished:
        now_ms = self.clock.now_ms()
        try:
            found = await self._source.snapshot(window, background)
            snapshot = safe_snapshot(found, window, now_ms, limits.TOP_MAX)
            answer = {"ok": True, "window": window, "source": self._source.name}
            return finish(answer, snapshot, now_ms)
        except UpstreamFailed:
            raise
        except Exception as error:
            # A defect must not break the page either; the log has it.
            _LOGGER.exception("public_snapshot_failed", extra=about(window=window))
            raise UpstreamFailed(HTTP_ERROR, "a defect") from error


def _answer(finished: Finished, top: int, wanted: str, request_id: str) -> Answer:
    tag = f'"{finished.tag}-{top}"'
    headers = (("cache-control", _CACHE_CONTROL), ("etag", f"W/{tag}"))
    if is_known(tag, wanted):
        return Answer(304, (*headers, (REQUEST_ID, request_id)), "")
    return text_answer(finished.body(top), request_id, headers=headers)
