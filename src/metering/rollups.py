"""Roll-ups and bases: totals in `USAGE_KV`, under keys that are never written twice differently.

A roll-up has one UTC day; a base has what a window needs from before a day. KV limits the size of
values, so totals may have several pieces. The first piece has the checksums of the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core import constants, keys
from core.collector import collector_paused
from core.errors import SummaryUnreadable
from core.kv_store import get_all
from core.ports import Json, KeyValueStore
from metering.sketches.sets import CallerSet
from metering.totals import Totals, callers_by_directory, decode_apis

ROLLUP_VERSION = 1
_DIGEST_LENGTH = 32
_PIECES_PER_GET = 8
"""Pieces in one bulk get, which returns at most 25 MiB."""

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


class StoredTotals(NamedTuple):
    """Where totals are: the key of the first piece, and the number of pieces."""

    key: str
    pieces: int


@dataclass(slots=True)
class Rollup:
    """Totals; in a base also the callers of each category, by the newest descriptions."""

    totals: Totals
    directories: Mapping[str, CallerSet] = field(default_factory=dict)


def base_of(totals: Totals) -> Rollup:
    """Return totals with the callers of each category."""
    return Rollup(totals, callers_by_directory(totals))


def encode_rollup(key: str, rollup: Rollup) -> Sequence[str]:
    """Encode totals in pieces, first to last; equal totals have equal pieces."""
    totals, apis = rollup.totals.encode()
    first, *rest = (f"[{rows}]" for rows in _rows_by_piece(apis))
    head = [
        ROLLUP_VERSION,
        key,
        [_digest(piece) for piece in rest],
        totals,
        [[name, sketch.encode()] for name, sketch in sorted(rollup.directories.items())],
    ]
    body = f"{_ENCODER.encode(head)[:-1]},{first}]"
    return [_digest(body) + body, *rest]


def decode_rollup(key: str, pieces: Sequence[str | None]) -> Rollup:
    """Decode totals. Raises `SummaryUnreadable` if a piece is missing or damaged."""
    first, *rest = pieces
    if first is None or _digest(first[_DIGEST_LENGTH:]) != first[:_DIGEST_LENGTH]:
        raise SummaryUnreadable(f"{key} is {'missing' if first is None else 'damaged'}")
    try:
        version, own_key, digests, totals, directories, apis = json.loads(first[_DIGEST_LENGTH:])
    except (ValueError, TypeError) as error:
        raise SummaryUnreadable(f"{key} has an invalid form: {error}") from error
    if (version, own_key, len(digests)) != (ROLLUP_VERSION, key, len(rest)):
        raise SummaryUnreadable(f"{key} is {own_key}, version {version}")
    rows = decode_apis(apis)
    for number, (digest, text) in enumerate(zip(digests, rest, strict=True), start=1):
        if text is None or _digest(text) != digest:
            raise SummaryUnreadable(f"piece {number} of {key} is missing or damaged")
        rows.update(decode_apis(json.loads(text)))
    by_directory = {name: CallerSet.decode(sketch) for name, sketch in directories}
    return Rollup(Totals.decode(totals, rows), by_directory)


async def put_rollup(
    store: KeyValueStore,
    key: str,
    rollup: Rollup,
    written: Collection[str] = (),
    on_written: Callable[[str], None] | None = None,
) -> StoredTotals:
    """Write totals, the first piece last.

    Args:
        store: `USAGE_KV`.
        key: The key of the first piece.
        rollup: The totals.
        written: The keys that an earlier attempt has written, which are left out.
        on_written: Called with each key that was written.

    Raises:
        StoreUnavailable: KV refused a piece.
    """
    pieces = encode_rollup(key, rollup)
    names = keys.pieces(key, len(pieces))
    for name, piece in zip(reversed(names), reversed(pieces), strict=True):
        if name not in written:
            await store.put(name, piece, {})
            if on_written is not None:
                on_written(name)
    return StoredTotals(key, len(pieces))


async def get_rollups(
    store: KeyValueStore, wanted: Sequence[StoredTotals]
) -> Mapping[str, Rollup | SummaryUnreadable]:
    """Read totals; return, by key, each or why it cannot be used. Raises `StoreUnavailable`."""
    names = {stored.key: keys.pieces(*stored) for stored in wanted}
    values = await get_all(
        store, [name for pieces in names.values() for name in pieces], _PIECES_PER_GET
    )
    found: dict[str, Rollup | SummaryUnreadable] = {}
    for key, pieces in names.items():
        try:
            # `pop` frees the texts, which may be megabytes.
            with collector_paused():
                found[key] = decode_rollup(key, [values.pop(name) for name in pieces])
        except SummaryUnreadable as error:
            found[key] = error
    return found


def _rows_by_piece(apis: Iterator[Json]) -> Iterator[str]:
    """Encode APIs as JSON, separated by commas, in texts of limited length."""
    texts: list[str] = []
    length = 0
    for api in apis:
        text = _ENCODER.encode(api)
        if length + len(text) > constants.ROLLUP_PIECE_LENGTH_MAX and texts:
            yield ",".join(texts)
            texts, length = [], 0
        texts.append(text)
        length += len(text) + 1
    yield ",".join(texts)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST_LENGTH // 2).hexdigest()
