"""Finds and reads batches of the usage log, and counts what that costs.

Owns listing, bulk reading and setting aside what cannot be read. Refuses to
know what the events are for.
"""

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
    """What could not be included in a read, by key."""

    missing: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


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


async def read_batches(
    store: KeyValueStore, names: Sequence[str], add: Callable[[str, Batch], None], unread: Unread
) -> None:
    """Read batches a hundred at a time and hand each to `add` with its key.

    What cannot be read is noted in `unread` and never stops the rest. No more
    than a few hundred batches are in memory at once.
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
