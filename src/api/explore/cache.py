"""Stale-while-revalidate cache for one window of the public page.

One request at a time renews an entry; isolates of one location share entries through
the edge cache. Entries of an earlier UTC day are not used, because windows start at midnight.

    age of the entry                          response
    up to `EXPLORE_FRESH_SECONDS`             the entry
    up to `EXPLORE_STALE_SECONDS`             the entry; a new one is made in the background
    up to `EXPLORE_STALE_IF_ERROR_SECONDS`    a new entry, or this one if making one fails
    older, or of an earlier day               a new entry, or the error of making one
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from api.explore.sources import UpstreamFailed
from core import constants
from core.calendar import DAY_MS
from core.logs import fields
from core.ports import Background, Clock, Json

_LOGGER = logging.getLogger(__name__)


class EdgeCache(Protocol):
    """A cache shared by the isolates of one location. It may lose entries, and never raises."""

    async def read(self, address: str) -> str | None:
        """Return the text stored at `address`, a URL; None if there is none."""
        ...

    async def write(self, address: str, text: str, seconds: int) -> None:
        """Store `text` at `address` for `seconds`."""
        ...


@dataclass(frozen=True, slots=True)
class RenderedSnapshot:
    """A response body made at `made_ms`, in JSON pieces: `head`, the first rows, `rest`.

    `tag` identifies the content. `rows` are up to `TOP_MAX` APIs, for `topApis`.
    """

    made_ms: int
    tag: str
    head: str
    rest: str
    rows: tuple[str, ...]

    def body(self, top: int) -> str:
        """Return the JSON with the first `top` rows in `topApis`."""
        return f"{self.head}{','.join(self.rows[:top])}{self.rest}"

    def encode(self) -> str:
        """Return it as text, one piece a line: compact JSON has no line breaks."""
        return "\n".join((f"{self.made_ms} {self.tag}", self.head, self.rest, *self.rows))


def render(
    body: Mapping[str, Json], snapshot: Mapping[str, Json], made_ms: int
) -> RenderedSnapshot:
    """Render `body` with `snapshot` added; its `topApis` become the first of its `allApis`.

    Raises `ValueError` for a number that JSON does not have.
    """
    rows = [_json(row) for row in snapshot["allApis"]]
    rest = f'],"allApis":[{",".join(rows)}]}}}}'
    lists = ("topApis", "allApis")
    others = _json({name: value for name, value in snapshot.items() if name not in lists})
    head = f'{_json(body)[:-1]},"snapshot":{others[:-1]},"topApis":['
    tag = hashlib.blake2b((head + rest).encode(), digest_size=12).hexdigest()
    return RenderedSnapshot(made_ms, tag, head, rest, tuple(rows[: constants.TOP_MAX]))


def decode(text: str) -> RenderedSnapshot | None:
    """Decode what `encode` returned; None for other text."""
    try:
        first, head, rest, *rows = text.split("\n")
        made_ms, tag = first.split(" ")
        return RenderedSnapshot(int(made_ms), tag, head, rest, tuple(rows))
    except ValueError:
        return None


@dataclass(slots=True)
class StaleWhileRevalidateCache:
    """One window's entry; `address` is its URL in the edge cache.

    `make` makes a new entry and raises `UpstreamFailed`.
    """

    clock: Clock
    edge: EdgeCache | None
    address: str
    make: Callable[[Background], Awaitable[RenderedSnapshot]]
    _entry: RenderedSnapshot | None = None
    _failure: UpstreamFailed | None = None
    _failed_ms: int = 0
    _renewing_until_ms: int = 0

    async def get(self, background: Background) -> RenderedSnapshot:
        """Return an entry that is fresh enough. Raises `UpstreamFailed` if there is none."""
        while True:
            now_ms = self.clock.now_ms()
            is_paused = self._is_paused(now_ms)
            entry = self._entry_within(constants.EXPLORE_STALE_SECONDS, now_ms)
            if entry is not None:
                is_fresh = self._entry_within(constants.EXPLORE_FRESH_SECONDS, now_ms) is not None
                if not is_fresh and not is_paused and self._acquire_lease(now_ms):
                    background.run(self._renew(constants.EXPLORE_FRESH_SECONDS, background))
                return entry
            if is_paused:
                return self._stale_if_error(now_ms)
            if self._acquire_lease(now_ms):
                # A stale entry of another isolate will do; the next loop renews it in background.
                await self._renew(constants.EXPLORE_STALE_SECONDS, background)
            else:
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

    def _acquire_lease(self, now_ms: int) -> bool:
        """Return whether the caller may renew; if it dies, the lease expires."""
        if now_ms < self._renewing_until_ms:
            return False
        self._renewing_until_ms = now_ms + constants.EXPLORE_LEASE_MS
        return True

    async def _renew(self, age_seconds_max: int, background: Background) -> None:
        """Take the entry of the edge cache; make a new one if that is older than allowed."""
        lease_ms = self._renewing_until_ms
        try:
            await self._read_edge()
            if self._entry_within(age_seconds_max, self.clock.now_ms()) is None:
                self._entry = await self.make(background)
                if self.edge is not None:
                    text = self._entry.encode()
                    background.run(
                        self.edge.write(
                            self.address, text, constants.EXPLORE_STALE_IF_ERROR_SECONDS
                        )
                    )
            self._failure = None
        except UpstreamFailed as error:
            _LOGGER.warning(
                "public_snapshot_unavailable", extra=fields(code=error.code, cause=str(error))
            )
            self._failure, self._failed_ms = error, self.clock.now_ms()
        finally:
            # Not the lease of a request that took over when this one expired.
            if self._renewing_until_ms == lease_ms:
                self._renewing_until_ms = 0

    async def _read_edge(self) -> None:
        text = None if self.edge is None else await self.edge.read(self.address)
        entry = None if text is None else decode(text)
        if entry is not None and (self._entry is None or entry.made_ms > self._entry.made_ms):
            self._entry = entry


def _json(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
