"""Reads batches of the usage log, and groups their keys by minute."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core import constants, keys
from core.errors import BatchUnreadable, KeyMalformed
from core.kv_store import get_all
from core.ports import KeyValueStore
from metering.events import Batch, decode_batch


@dataclass(slots=True)
class Unread:
    """The batches that could not be read: `missing` by key, `unreadable` as `KEY: REASON`."""

    missing: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def by_minute(names: Sequence[str]) -> dict[int, Sequence[str]]:
    """Group keys of batches, in ascending order, by minute; other keys are dropped."""
    found: dict[int, Sequence[str]] = {}
    start = 0
    while start < len(names):
        minute = batch_minute(names[start])
        if minute is None:
            start += 1
            continue
        # "0" is the character after the slash that ends the minute.
        behind = names[start][: keys.USAGE_MINUTE_LENGTH - 1] + "0"
        end = bisect_left(names, behind, start)
        found[minute] = names[start:end]
        start = end
    return found


def batch_minute(name: str) -> int | None:
    """Return the minute of a batch's key; None for any other key."""
    try:
        return keys.parse_usage_batch(name).minute
    except KeyMalformed:
        return None


async def read_batches(
    store: KeyValueStore, names: Sequence[str], add: Callable[[str, Batch], None], unread: Unread
) -> None:
    """Read batches and call `add` with the key and value of each.

    What cannot be read is added to `unread`. At most a few hundred batches are in memory at the
    same time. Raises `StoreUnavailable`.
    """
    step = constants.KV_BULK_GET_KEYS_MAX
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
