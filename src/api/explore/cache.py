"""One window of the public page on a shelf, so that its visitors cost next to nothing.

Owns when an answer is given at once, renewed behind another answer, waited for
or given up. One request at a time renews it; isolates of one location share
what they made. Refuses to know what is in an answer and how it is made.

Age of what is kept, and what a request gets:

    up to `EXPLORE_FRESH_SECONDS`   it, at once
    up to `EXPLORE_STALE_SECONDS`   it, at once; a new one is made behind the answer
    up to `EXPLORE_STALE_IF_ERROR_SECONDS`    a new one, or this when there is none to be had
    above, or made on another day   a new one, or the reason why there is none
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


@dataclass(frozen=True, slots=True)
class RenderedSnapshot:
    """An answer made at `made_ms`: `head`, as many of `rows` as are wanted, and `rest`.

    `tag` names what it says; `rows` are the first 100 APIs, ready for `topApis`.
    """

    made_ms: int
    tag: str
    head: str
    rest: str
    rows: tuple[str, ...]

    def body(self, top: int) -> str:
        """Put the JSON together with the first `top` rows in `topApis`."""
        return f"{self.head}{','.join(self.rows[:top])}{self.rest}"

    def encode(self) -> str:
        """Write it as one text, a piece a line: this JSON has no line ends."""
        return "\n".join((f"{self.made_ms} {self.tag}", self.head, self.rest, *self.rows))


def finish(
    answer: Mapping[str, Json], snapshot: Mapping[str, Json], made_ms: int
) -> RenderedSnapshot:
    """Finish `answer` with `snapshot` in it, whose `topApis` are the first of its `allApis`."""
    rows = [_text(row) for row in snapshot["allApis"]]
    rest = f'],"allApis":[{",".join(rows)}]}}}}'
    lists = ("topApis", "allApis")
    others = _text({name: value for name, value in snapshot.items() if name not in lists})
    head = f'{_text(answer)[:-1]},"snapshot":{others[:-1]},"topApis":['
    tag = hashlib.blake2b((head + rest).encode(), digest_size=12).hexdigest()
    return RenderedSnapshot(made_ms, tag, head, rest, tuple(rows[: constants.TOP_MAX]))


def decode(text: str) -> RenderedSnapshot | None:
    """Read what `encode` wrote; None for any other text."""
    try:
        first, head, rest, *rows = text.split("\n")
        made_ms, tag = first.split(" ")
        return RenderedSnapshot(int(made_ms), tag, head, rest, tuple(rows))
    except ValueError:
        return None


def _text(value: Json) -> str:
    # What is no JSON must not be written: a safe snapshot has none of it.
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


_LOGGER = logging.getLogger(__name__)


class EdgeCache(Protocol):
    """What the isolates of one location share. It may forget at any time, and never raises."""

    async def read(self, address: str) -> str | None:
        """Find what was left at an address; None when nothing is there."""
        ...

    async def write(self, address: str, text: str, seconds: int) -> None:
        """Leave `text` at an address for `seconds`."""
        ...


@dataclass(slots=True)
class StaleWhileRevalidateCache:
    """One window; `make` raises `UpstreamFailed`, `address` names it in the edge cache."""

    clock: Clock
    edge: EdgeCache | None
    address: str
    make: Callable[[Background], Awaitable[RenderedSnapshot]]
    _kept: RenderedSnapshot | None = None
    _failure: UpstreamFailed | None = None
    _failed_ms: int = 0
    _busy_until_ms: int = 0

    async def take(self, background: Background) -> RenderedSnapshot:
        """Give what there is to show. Raises `UpstreamFailed` when there is nothing."""
        while True:
            now_ms = self.clock.now_ms()
            is_paused = self._is_paused(now_ms)
            kept = self._kept_for(constants.EXPLORE_STALE_SECONDS, now_ms)
            if kept is not None:
                is_fresh = self._kept_for(constants.EXPLORE_FRESH_SECONDS, now_ms) is not None
                if not is_fresh and not is_paused and self._begin(now_ms):
                    background.run(self._renew(constants.EXPLORE_FRESH_SECONDS, background))
                return kept
            if is_paused:
                return self._stale_if_error(now_ms)
            if self._begin(now_ms):
                # Slightly older is good enough for who waits: the next turn renews it behind.
                await self._renew(constants.EXPLORE_STALE_SECONDS, background)
            else:
                # A future of another request would be cancelled as hung, a timer is not.
                await self.clock.sleep_ms(constants.EXPLORE_POLL_MS)

    def _kept_for(self, seconds: int, now_ms: int) -> RenderedSnapshot | None:
        """Give what is kept if it is at most so old, and no window of another day."""
        kept = self._kept
        if kept is None or now_ms - kept.made_ms > seconds * 1000:
            return None
        return kept if kept.made_ms // DAY_MS == now_ms // DAY_MS else None

    def _is_paused(self, now_ms: int) -> bool:
        """Tell whether the last attempt failed so recently that nobody tries again."""
        pause_ms = constants.EXPLORE_RETRY_SECONDS * 1000
        return self._failure is not None and now_ms - self._failed_ms < pause_ms

    def _stale_if_error(self, now_ms: int) -> RenderedSnapshot:
        kept = self._kept_for(constants.EXPLORE_STALE_IF_ERROR_SECONDS, now_ms)
        if kept is None:
            assert self._failure is not None
            raise UpstreamFailed(self._failure.code, str(self._failure))
        return kept

    def _begin(self, now_ms: int) -> bool:
        """Become the one who renews, unless somebody is at it."""
        if now_ms < self._busy_until_ms:
            return False
        self._busy_until_ms = now_ms + constants.EXPLORE_LEASE_MS
        return True

    async def _renew(self, enough_seconds: int, background: Background) -> None:
        """Take what another isolate left, or where that is older than is enough, make a new one."""
        lease = self._busy_until_ms
        try:
            await self._take_from_edge()
            if self._kept_for(enough_seconds, self.clock.now_ms()) is None:
                self._kept = await self.make(background)
                if self.edge is not None:
                    text = self._kept.encode()
                    background.run(
                        self.edge.write(
                            self.address, text, constants.EXPLORE_STALE_IF_ERROR_SECONDS
                        )
                    )
            self._failure = None
        except UpstreamFailed as error:
            _LOGGER.warning(
                "public_snapshot_not_to_be_had", extra=fields(code=error.code, cause=str(error))
            )
            self._failure, self._failed_ms = error, self.clock.now_ms()
        finally:
            # Whoever took over after the lease has one of their own.
            if self._busy_until_ms == lease:
                self._busy_until_ms = 0

    async def _take_from_edge(self) -> None:
        text = None if self.edge is None else await self.edge.read(self.address)
        found = None if text is None else decode(text)
        if found is not None and (self._kept is None or found.made_ms > self._kept.made_ms):
            self._kept = found
