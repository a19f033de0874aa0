"""Access to KV: wrappers that count operations, and reads of any number of keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from core import constants
from core.errors import ReadTooLarge, StoreUnavailable
from core.ports import Json, KeyPage, KeyValueStore, NamePage

T = TypeVar("T")
KvCounters = dict[tuple[str, str, bool], int]
"""KV operations of an isolate by binding, operation, and whether they succeeded."""

_PARALLEL_READS = 6
"""Cloudflare lets an invocation have six connections open; more would queue."""


@dataclass(frozen=True, slots=True)
class MeteredStore:
    """A KV namespace whose operations are counted in `counters` under `binding`, for metrics."""

    store: KeyValueStore
    binding: str
    counters: KvCounters

    async def put(
        self,
        key: str,
        value: str,
        metadata: Mapping[str, Json],
        expiration_ttl_seconds: int | None = None,
    ) -> None:
        """Write; see `ports.KeyValueStore`."""
        await self._metered("put", self.store.put(key, value, metadata, expiration_ttl_seconds))

    async def delete(self, key: str) -> None:
        """Delete; see `ports.KeyValueStore`."""
        await self._metered("delete", self.store.delete(key))

    async def list_page(
        self, prefix: str, cursor: str | None, limit: int = constants.KV_LIST_KEYS_MAX
    ) -> KeyPage:
        """List; see `ports.KeyValueStore`."""
        return await self._metered("list", self.store.list_page(prefix, cursor, limit))

    async def list_names(
        self, prefix: str, cursor: str | None, limit: int = constants.KV_LIST_KEYS_MAX
    ) -> NamePage:
        """List; see `ports.KeyValueStore`."""
        return await self._metered("list", self.store.list_names(prefix, cursor, limit))

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, str | None]:
        """Read; see `ports.KeyValueStore`."""
        return await self._metered("get", self.store.get_many(keys))

    async def _metered(self, operation: str, work: Awaitable[T]) -> T:
        try:
            result = await work
        except StoreUnavailable:
            self._count(operation, succeeded=False)
            raise
        self._count(operation, succeeded=True)
        return result

    def _count(self, operation: str, *, succeeded: bool) -> None:
        key = (self.binding, operation, succeeded)
        self.counters[key] = self.counters.get(key, 0) + 1


async def get_all(
    store: KeyValueStore, names: Sequence[str], step: int = constants.KV_BULK_GET_KEYS_MAX
) -> dict[str, str | None]:
    """Read any number of keys, with up to six bulk gets in parallel.

    A bulk get has `step` keys, fewer if their values are too large together. None is the
    value of a key that does not exist. Raises `StoreUnavailable`.
    """
    groups = [names[start : start + step] for start in range(0, len(names), step)]
    values: dict[str, str | None] = {}
    for start in range(0, len(groups), _PARALLEL_READS):
        wave = groups[start : start + _PARALLEL_READS]
        for found in await asyncio.gather(*(_get_group(store, group) for group in wave)):
            values.update(found)
    return values


async def _get_group(store: KeyValueStore, names: Sequence[str]) -> Mapping[str, str | None]:
    try:
        return await store.get_many(names)
    except ReadTooLarge:
        if len(names) == 1:
            raise
        return await get_all(store, names, (len(names) + 1) // 2)
