"""Finds and reads batches of the usage log, and counts what that costs.

Owns listing, bulk reading and setting aside what cannot be read. Refuses to
know what the events are for.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import keys
import limits
from errors import BatchUnreadable, KeyMalformed, ReadTooLarge
from events import Batch, decode_batch
from ports import Json, KeyPage, KeyValueStore, NamePage

_PARALLEL_READS = 6
"""Cloudflare lets an invocation have six connections open; more would queue."""


class BudgetSpent(Exception):
    """A piece of work has used the KV operations it was given; it goes on another time."""


@dataclass(slots=True)
class CountedStore:
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
        self, prefix: str, cursor: str | None, limit: int = limits.KV_LIST_KEYS_MAX
    ) -> KeyPage:
        """List; see `ports.KeyValueStore`. Raises `BudgetSpent`."""
        self._spend()
        return await self.store.list_page(prefix, cursor, limit)

    async def list_names(
        self, prefix: str, cursor: str | None, limit: int = limits.KV_LIST_KEYS_MAX
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


@dataclass(slots=True)
class Unread:
    """What could not be included in a read, by key."""

    missing: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


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


def by_minute(names: Sequence[str]) -> dict[int, Sequence[str]]:
    """Group the keys of batches by minute; `names` ascend, as KV lists them. Other keys go."""
    found: dict[int, Sequence[str]] = {}
    start = 0
    while start < len(names):
        minute = minute_of(names[start])
        if minute is None:
            start += 1
            continue
        # The character after the slash that ends the minute.
        behind = names[start][: keys.USAGE_MINUTE_LENGTH - 1] + "0"
        end = bisect_left(names, behind, start)
        found[minute] = names[start:end]
        start = end
    return found


def minute_of(name: str) -> int | None:
    """Tell the minute of a batch's key; None for any other key."""
    try:
        return keys.parse_usage_batch(name).minute
    except KeyMalformed:
        return None


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
    store: KeyValueStore, names: Sequence[str], step: int = limits.KV_BULK_GET_KEYS_MAX
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


async def read_batches(
    store: KeyValueStore, names: Sequence[str], add: Callable[[str, Batch], None], unread: Unread
) -> None:
    """Read batches a hundred at a time and hand each to `add` with its key.

    What cannot be read is noted in `unread` and never stops the rest. No more
    than a few hundred batches are in memory at once.
    """
    step = limits.KV_BULK_GET_KEYS_MAX
    for start in range(0, len(names), step * 2):
        values = await get_all(store, names[start : start + step * 2])
        for name, value in values.items():
            if value is None:
                unread.missing.append(name)
                continue
            try:
                batch = decode_batch(value, keys.parse_usage_batch(name).minute)
            except (KeyMalformed, BatchUnreadable) as error:
                unread.unreadable.append(f"{name}: {error}")
            else:
                add(name, batch)
