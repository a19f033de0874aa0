"""Caches the response of one window of the public page in an isolate.

A body takes a hundred times as long to make as to send, so ten thousand visitors must not each
make one. One request at a time renews an entry; meanwhile the others get the old one. Entries of
an earlier UTC day are not used, because windows start at midnight.

    age of the entry                          response
    up to `EXPLORE_FRESH_SECONDS`             the entry
    up to `EXPLORE_STALE_SECONDS`             a new entry; this one while another request makes it
    up to `EXPLORE_STALE_IF_ERROR_SECONDS`    a new entry, or this one if making one fails
    older, or of an earlier day               a new entry, or the error of making one
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from api.explore.sources import UpstreamFailed
from core import constants
from core.calendar import DAY_MS
from core.logs import fields
from core.ports import Clock, Json
from snapshots.serialization import etag_of, json_text, rows_json

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RenderedSnapshot:
    """A response body made at `made_ms`, in JSON pieces: `head`, the first rows, `rest`.

    `tag` identifies what is shown. `rows` are up to `TOP_MAX` APIs, for `topApis`.
    """

    made_ms: int
    tag: str
    head: str
    rest: str
    rows: tuple[str, ...]

    def body(self, top: int) -> str:
        """Return the JSON with the first `top` rows in `topApis`."""
        return f"{self.head}{','.join(self.rows[:top])}{self.rest}"


def render(
    body: Mapping[str, Json], snapshot: Mapping[str, Json], made_ms: int
) -> RenderedSnapshot:
    """Render `body` with `snapshot` added; its `topApis` become the first of its `allApis`.

    Raises `ValueError` for a number that JSON does not have.
    """
    rows = rows_json(snapshot["allApis"])
    rest = f'],"allApis":[{",".join(rows)}]}}}}'
    lists = ("topApis", "allApis")
    others = json_text({name: value for name, value in snapshot.items() if name not in lists})
    head = f'{json_text(body)[:-1]},"snapshot":{others[:-1]},"topApis":['
    tag = etag_of([snapshot]).strip('"')
    return RenderedSnapshot(made_ms, tag, head, rest, tuple(rows[: constants.TOP_MAX]))


@dataclass(slots=True)
class ResponseCache:
    """One window's entry. `make` makes a new one and raises `UpstreamFailed`.

    An entry is fresh for `fresh_seconds`.
    """

    clock: Clock
    make: Callable[[], Awaitable[RenderedSnapshot]]
    fresh_seconds: int = constants.EXPLORE_FRESH_SECONDS
    _entry: RenderedSnapshot | None = None
    _failure: UpstreamFailed | None = None
    _failed_ms: int = 0
    _renewing_until_ms: int = 0

    async def get(self) -> RenderedSnapshot:
        """Return an entry that is fresh enough. Raises `UpstreamFailed` if there is none."""
        while True:
            now_ms = self.clock.now_ms()
            entry = self._entry_within(self.fresh_seconds, now_ms)
            if entry is not None:
                return entry
            if self._is_paused(now_ms):
                return self._stale_if_error(now_ms)
            if now_ms >= self._renewing_until_ms:
                return await self._renew(now_ms)
            entry = self._entry_within(constants.EXPLORE_STALE_SECONDS, now_ms)
            if entry is not None:
                return entry
            # Polling, because the runtime cancels a request that awaits another's future.
            await self.clock.sleep_ms(constants.EXPLORE_POLL_MS)

    def _entry_within(self, seconds: int, now_ms: int) -> RenderedSnapshot | None:
        """Return the entry if it is of this day and at most `seconds` old."""
        entry = self._entry
        if entry is None or now_ms - entry.made_ms > seconds * 1000:
            return None
        return entry if entry.made_ms // DAY_MS == now_ms // DAY_MS else None

    def _is_paused(self, now_ms: int) -> bool:
        """Return whether the last attempt failed too recently for another."""
        pause_ms = constants.EXPLORE_RETRY_SECONDS * 1000
        return self._failure is not None and now_ms - self._failed_ms < pause_ms

    def _stale_if_error(self, now_ms: int) -> RenderedSnapshot:
        entry = self._entry_within(constants.EXPLORE_STALE_IF_ERROR_SECONDS, now_ms)
        if entry is None:
            assert self._failure is not None
            raise UpstreamFailed(self._failure.code, str(self._failure))
        return entry

    async def _renew(self, now_ms: int) -> RenderedSnapshot:
        # If this request dies, another takes over when the lease expires.
        lease_ms = self._renewing_until_ms = now_ms + constants.EXPLORE_LEASE_MS
        try:
            made = await self.make()
        except UpstreamFailed as error:
            _LOGGER.warning(
                "public_snapshot_unavailable", extra=fields(code=error.code, cause=str(error))
            )
            self._failure, self._failed_ms = error, self.clock.now_ms()
            return self._stale_if_error(self._failed_ms)
        else:
            self._failure = None
            if self._entry is None or made.made_ms > self._entry.made_ms:
                self._entry = made
            return made
        finally:
            # Not the lease of a request that took over when this one expired.
            if self._renewing_until_ms == lease_ms:
                self._renewing_until_ms = 0
