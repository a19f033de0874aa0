"""The binding of a simulated KV namespace at one location, with KV's limits.

A call that exceeds KV's limits (https://developers.cloudflare.com/kv/platform/limits/) fails as
in KV, and is also recorded as a breach.
"""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.errors import ReadTooLarge, StoreUnavailable
from core.ports import Json, KeyPage, ListedKey, NamePage
from tests.simulation.kv import PAGE_KEYS_MAX, WITHOUT_RESPONSE, Effect, SimulatedKv, Write
from tests.simulation.loop import SCOPE

KEY_BYTES_MAX = 512
METADATA_BYTES_MAX = 1_024
VALUE_BYTES_MAX = 25 * 1024 * 1024
BULK_KEYS_MAX = 100
EXPIRATION_TTL_SECONDS_MIN = 60
OPERATIONS_MAX = 1_000
HANGS_MS = 90_000
"""How long an operation takes at most until it fails."""


class Metered(Protocol):
    """An invocation whose KV operations are counted."""

    operations: int


@dataclass(slots=True)
class SimulatedStore:
    """The binding at one location; it promises no more than the port."""

    kv: SimulatedKv
    location: str

    async def put(
        self,
        key: str,
        value: str,
        metadata: Mapping[str, Json],
        expiration_ttl_seconds: int | None = None,
    ) -> None:
        self._spend()
        self._check_key(key)
        size = len(json.dumps(metadata, separators=(",", ":"), ensure_ascii=False).encode())
        self._limit(size > METADATA_BYTES_MAX, f"metadata of {size} bytes, limit 1024")
        # Counting bytes is slow, and only long values can have too many.
        if len(value) > VALUE_BYTES_MAX // 4:
            size = len(value.encode())
            self._limit(size > VALUE_BYTES_MAX, f"value of {size} bytes, limit 25 MiB")
        lives_ms = float("inf")
        if expiration_ttl_seconds is not None:
            self._limit(expiration_ttl_seconds < EXPIRATION_TTL_SECONDS_MIN, "expires too soon")
            lives_ms = expiration_ttl_seconds * 1000
        await self._write(Write(key, value, dict(metadata), lives_ms))

    async def delete(self, key: str) -> None:
        self._spend()
        self._check_key(key)
        await self._write(Write(key, None, {}))

    async def _write(self, write: Write) -> None:
        """Send a write to KV and wait for the response."""
        kv, loop = self.kv, self.kv.loop
        response: asyncio.Future[None] = loop.create_future()
        there_ms, back_ms, effect = kv.delay_ms(), kv.delay_ms(), kv.draw_effect()

        def arrive() -> None:
            outcome = kv.arrive(write, effect)
            if effect is not Effect.FAILED_BEFORE_EFFECT:
                later_ms = HANGS_MS if outcome in WITHOUT_RESPONSE else back_ms
                loop.call_later(later_ms / 1000, settle, outcome, context=kv.outside)

        def settle(outcome: Effect) -> None:
            if outcome is Effect.DONE:
                kv.acknowledged[write.key] = write.value
                response.set_result(None)
            else:
                response.set_exception(StoreUnavailable(f"KV PUT failed: {outcome.value}"))

        if effect is Effect.FAILED_BEFORE_EFFECT:
            there_ms += kv.random.uniform(0, 5_000)
            loop.call_later(back_ms / 1000, settle, effect, context=kv.outside)
        loop.call_later(there_ms / 1000, arrive, context=kv.outside)
        await response

    async def list_page(
        self, prefix: str, cursor: str | None, limit: int = PAGE_KEYS_MAX
    ) -> KeyPage:
        self._spend()
        self._limit(not 0 < limit <= PAGE_KEYS_MAX, f"page of {limit} keys, limit 1000")
        if prefix:
            self._check_key(prefix)
        await self._round_trip("LIST")
        kv = self.kv
        size = min(limit, kv.temper.page_keys)
        names = kv.names(prefix)
        start = 0 if cursor is None else bisect_left(names, cursor + "\0")
        if kv.random.random() < kv.temper.odd_pages:
            # KV may end a page anywhere, even before its first key.
            size = kv.random.choice((0, kv.random.randint(0, size)))
        listed: list[ListedKey] = []
        end = start
        while end < len(names) and len(listed) < size:
            version = kv.listed(self.location, names[end])
            if version is not None:
                listed.append(ListedKey(names[end], dict(version.metadata) or None))
            end += 1
        is_last = end >= len(names) and not (listed and kv.random.random() < kv.temper.odd_pages)
        if is_last:
            return KeyPage(listed, None)
        return KeyPage(listed, names[end - 1] if end else "")

    async def list_names(
        self, prefix: str, cursor: str | None, limit: int = PAGE_KEYS_MAX
    ) -> NamePage:
        page = await self.list_page(prefix, cursor, limit)
        return NamePage([key.name for key in page.keys], page.cursor)

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, str | None]:
        self._spend()
        self._limit(not 0 < len(keys) <= BULK_KEYS_MAX, f"bulk get of {len(keys)} keys, limit 100")
        for key in keys:
            self._check_key(key)
        await self._round_trip("GET")
        found = {key: self.kv.read(self.location, key) for key in keys}
        size = sum(len(version.value or "") for version in found.values() if version is not None)
        if size > VALUE_BYTES_MAX:
            raise ReadTooLarge("KV failed: 413, total size of a bulk get exceeds 25 MiB")
        return {key: None if version is None else version.value for key, version in found.items()}

    async def _round_trip(self, what: str) -> None:
        """Wait for a round trip to KV, which may fail."""
        kv = self.kv
        response: asyncio.Future[None] = kv.loop.create_future()
        hangs = kv.random.random() < kv.temper.hangs
        delay_ms = HANGS_MS if hangs else kv.delay_ms()
        kv.loop.call_later(delay_ms / 1000, response.set_result, None, context=kv.outside)
        await response
        if hangs or kv.is_out() or kv.random.random() < kv.temper.reads_fail:
            raise StoreUnavailable(f"KV {what} failed: 503 Service Unavailable")

    @staticmethod
    def _scope() -> Metered | None:
        scope: Metered | None = SCOPE.get()  # type: ignore[assignment]
        return scope

    def _spend(self) -> None:
        self.kv.operations += 1
        if scope := self._scope():
            scope.operations += 1
            self._limit(
                scope.operations > OPERATIONS_MAX,
                "too many API requests by single Worker invocation",
            )

    def _check_key(self, key: str) -> None:
        size = len(key.encode())
        self._limit(
            size > KEY_BYTES_MAX, f"UTF-8 encoded length of {size} exceeds key limit of 512"
        )
        self._limit(key in ("", ".", ".."), f"key {key!r} is not allowed")

    def _limit(self, broken: bool, message: str) -> None:
        if broken:
            self.kv.breaches.append(message)
            raise StoreUnavailable(f"KV failed: {message}")
