"""A KV namespace in memory that lists large logs quickly."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.constants import KV_LIST_KEYS_MAX
from core.ports import Json, KeyPage, ListedKey, NamePage


@dataclass(slots=True)
class MemoryStore:
    """KV without faults and delays; counts writes, listings and reads."""

    values: dict[str, tuple[str, Json]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    written: int = 0
    listed: int = 0
    read: int = 0

    async def put(
        self,
        key: str,
        value: str,
        metadata: Mapping[str, Json],
        expiration_ttl_seconds: int | None = None,
    ) -> None:
        """Write a value; nothing expires."""
        assert expiration_ttl_seconds is None or expiration_ttl_seconds >= 60
        self.written += 1
        if key not in self.values:
            insort(self.names, key)
        self.values[key] = (value, dict(metadata))

    async def delete(self, key: str) -> None:
        """Delete `key` if it exists."""
        self.written += 1
        if self.values.pop(key, None) is not None:
            self.names.pop(bisect_left(self.names, key))

    async def list_page(
        self, prefix: str, cursor: str | None, limit: int = KV_LIST_KEYS_MAX
    ) -> KeyPage:
        """List up to `limit` keys that start with `prefix`."""
        self.listed += 1
        start = bisect_left(self.names, prefix if cursor is None else cursor + "\0")
        found = []
        for name in self.names[start : start + limit + 1]:
            if not name.startswith(prefix):
                break
            found.append(ListedKey(name, self.values[name][1]))
        page = found[:limit]
        return KeyPage(page, page[-1].name if len(found) > limit else None)

    async def list_names(
        self, prefix: str, cursor: str | None, limit: int = KV_LIST_KEYS_MAX
    ) -> NamePage:
        """List up to `limit` key names."""
        page = await self.list_page(prefix, cursor, limit)
        return NamePage([key.name for key in page.keys], page.cursor)

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, str | None]:
        """Read up to 100 keys."""
        self.read += 1
        return {key: self.values[key][0] if key in self.values else None for key in keys}
