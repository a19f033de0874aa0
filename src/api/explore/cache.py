"""Caches in an isolate what takes long to make, such as the response of one window.

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
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from api.explore.sources import UpstreamFailed
from core import constants
from core.calendar import DAY_MS
from core.logs import fields
from core.ports import Clock

_LOGGER = logging.getLogger(__name__)


class Made(Protocol):
    """What a cache keeps: something made at `made_ms`, in milliseconds since 1970."""

    @property
    def made_ms(self) -> int:
        """When it was made."""
        ...


MadeT = TypeVar("MadeT", bound=Made)


@dataclass(slots=True)
class ResponseCache(Generic[MadeT]):
    """One entry. `make` makes a new one and raises `UpstreamFailed`.

    An entry is fresh for `fresh_seconds`.
    """

    clock: Clock
    make: Callable[[], Awaitable[MadeT]]
    fresh_seconds: int = constants.EXPLORE_FRESH_SECONDS
    _entry: MadeT | None = None
    _failure: UpstreamFailed | None = None
    _failed_ms: int = 0
    _renewing_until_ms: int = 0

    async def get(self) -> MadeT:
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

    def _entry_within(self, seconds: int, now_ms: int) -> MadeT | None:
        """Return the entry if it is of this day and at most `seconds` old."""
        entry = self._entry
        if entry is None or now_ms - entry.made_ms > seconds * 1000:
            return None
        return entry if entry.made_ms // DAY_MS == now_ms // DAY_MS else None

    def _is_paused(self, now_ms: int) -> bool:
        """Return whether the last attempt failed too recently for another."""
        pause_ms = constants.EXPLORE_RETRY_SECONDS * 1000
        return self._failure is not None and now_ms - self._failed_ms < pause_ms

    def _stale_if_error(self, now_ms: int) -> MadeT:
        entry = self._entry_within(constants.EXPLORE_STALE_IF_ERROR_SECONDS, now_ms)
        if entry is None:
            assert self._failure is not None
            raise UpstreamFailed(self._failure.code, str(self._failure))
        return entry

    async def _renew(self, now_ms: int) -> MadeT:
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
