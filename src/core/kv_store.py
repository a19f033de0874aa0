"""What one isolate counts while it lives: requests, how long they took, KV operations.

Owns the counting, which costs a request some additions of small numbers. Refuses to
know how any of it is shown: that is for `metrics`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass

from core import constants
from core.constants import KV_LIST_KEYS_MAX
from core.errors import ReadTooLarge, StoreUnavailable
from core.ports import Json, KeyPage, KeyValueStore, NamePage
from core.telemetry import T

KvCounters = dict[tuple[str, str, bool], int]
"""KV operations of an isolate by binding, operation, and whether they did what was asked."""


@dataclass(frozen=True, slots=True)
class MeteredStore:
    """A KV namespace whose operations are counted in `tally` as those of `binding`."""

    store: KeyValueStore
    binding: str
    tally: KvCounters

    async def put(
        self,
        key: str,
        value: str,
        metadata: Mapping[str, Json],
        expiration_ttl_seconds: int | None = None,
    ) -> None:
        """Write; see `ports.KeyValueStore`."""
        await self._counted("put", self.store.put(key, value, metadata, expiration_ttl_seconds))

    async def delete(self, key: str) -> None:
        """Delete; see `ports.KeyValueStore`."""
        await self._counted("delete", self.store.delete(key))

    async def list_page(
        self, prefix: str, cursor: str | None, limit: int = KV_LIST_KEYS_MAX
    ) -> KeyPage:
        """List; see `ports.KeyValueStore`."""
        return await self._counted("list", self.store.list_page(prefix, cursor, limit))

    async def list_names(
        self, prefix: str, cursor: str | None, limit: int = KV_LIST_KEYS_MAX
    ) -> NamePage:
        """List; see `ports.KeyValueStore`."""
        return await self._counted("list", self.store.list_names(prefix, cursor, limit))

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, str | None]:
        """Read; see `ports.KeyValueStore`."""
        return await self._counted("get", self.store.get_many(keys))

    async def _counted(self, operation: str, work: Awaitable[T]) -> T:
        try:
            result = await work
        except StoreUnavailable:
            self._count(operation, did=False)
            raise
        self._count(operation, did=True)
        return result

    def _count(self, operation: str, *, did: bool) -> None:
        key = (self.binding, operation, did)
        self.tally[key] = self.tally.get(key, 0) + 1


_PARALLEL_READS = 6
"""Cloudflare lets an invocation have six connections open; more would queue."""


class BudgetSpent(Exception):
    """A piece of work has used the KV operations it was given; it goes on another time."""


@dataclass(slots=True)
class BudgetedStore:
    """A KV namespace that counts operations and refuses those past a budget."""

    store: KeyValueStore
    budget: int
    spent: int = 0

    async def put(
        self,
        key: str,
        value: str,
        metadata: Mapping[str, Json],
        expiration_ttl_seconds: int | None = None,
    ) -> None:
        """Write; see `ports.KeyValueStore`. Raises `BudgetSpent`."""
        self._spend()
        await self.store.put(key, value, metadata, expiration_ttl_seconds)

    async def delete(self, key: str) -> None:
        """Delete; see `ports.KeyValueStore`. Raises `BudgetSpent`."""
        self._spend()
        await self.store.delete(key)

    async def list_page(
        self, prefix: str, cursor: str | None, limit: int = constants.KV_LIST_KEYS_MAX
    ) -> KeyPage:
        """List; see `ports.KeyValueStore`. Raises `BudgetSpent`."""
        self._spend()
        return await self.store.list_page(prefix, cursor, limit)

    async def list_names(
        self, prefix: str, cursor: str | None, limit: int = constants.KV_LIST_KEYS_MAX
    ) -> NamePage:
        """List; see `ports.KeyValueStore`. Raises `BudgetSpent`."""
        self._spend()
        return await self.store.list_names(prefix, cursor, limit)

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, str | None]:
        """Read; see `ports.KeyValueStore`. Raises `BudgetSpent`."""
        self._spend()
        return await self.store.get_many(keys)

    @property
    def left(self) -> int:
        """Operations that may still be spent."""
        return self.budget - self.spent

    def _spend(self) -> None:
        if self.spent >= self.budget:
            raise BudgetSpent
        self.spent += 1


async def all_names(store: KeyValueStore, prefix: str) -> list[str]:
    """List every key that starts with `prefix`, in ascending order."""
    names: list[str] = []
    cursor = None
    while True:
        page = await store.list_names(prefix, cursor)
        names.extend(page.names)
        cursor = page.cursor
        if cursor is None:
            return names


async def has_names(store: KeyValueStore, prefix: str) -> bool:
    """Tell whether any key starts with `prefix`.

    A page without keys is not the last one when it has a cursor
    (https://developers.cloudflare.com/kv/api/list-keys/#pagination).
    """
    cursor = None
    while True:
        page = await store.list_names(prefix, cursor, 1)
        if page.names or page.cursor is None:
            return bool(page.names)
        cursor = page.cursor


async def get_all(
    store: KeyValueStore, names: Sequence[str], step: int = constants.KV_BULK_GET_KEYS_MAX
) -> dict[str, str | None]:
    """Read any number of keys, `step` at a time or fewer if they are too large, some at once."""
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
