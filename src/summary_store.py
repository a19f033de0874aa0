"""Summaries in KV: under which keys they are, and how many are read at once.

Owns putting the texts of a summary and getting them back. Refuses to know
what a summary is made of: what is not there whole is not there.
"""

from __future__ import annotations

from collections.abc import Mapping

from batches import get_all
from errors import SummaryUnreadable
from periods import Period
from ports import KeyValueStore
from summaries import (
    Head,
    Summary,
    decode_head,
    decode_summary,
    encode_summary,
    part_key,
    part_keys,
)

_PARTS_AT_ONCE = 8
"""Further texts of large summaries in one bulk get, which holds 25 MiB."""


async def put_summary(
    store: KeyValueStore, key: str, summary: Summary, ttl_seconds: int | None = None
) -> None:
    """Write a summary, its first text last: who finds that one may look for the others.

    Raises `StoreUnavailable`.
    """
    for number, text in encode_summary(summary):
        metadata = {} if number else {"fingerprint": summary.fingerprint}
        await store.put(part_key(key, number), text, metadata, ttl_seconds)


async def get_summaries(
    store: KeyValueStore, wanted: Mapping[str, Period]
) -> Mapping[str, Summary | None]:
    """Read summaries by key; None for those that are missing or fail their own check.

    Raises `StoreUnavailable`.
    """
    values = await get_all(store, list(wanted))
    heads: dict[str, Head] = {}
    for key, period in wanted.items():
        # A reference less to a text that can be megabytes.
        value = values.pop(key)
        if value is not None:
            try:
                heads[key] = decode_head(value, period)
            except SummaryUnreadable:
                continue
    names = [name for key, head in heads.items() for name in part_keys(key, head)]
    parts = await get_all(store, names, _PARTS_AT_ONCE)
    found: dict[str, Summary | None] = dict.fromkeys(wanted)
    for key, head in heads.items():
        try:
            found[key] = decode_summary(head, [parts.pop(name) for name in part_keys(key, head)])
        except SummaryUnreadable:
            continue
    return found
