"""Summaries: the totals of one period and the names of their sources; codec and storage.

A summary can be rebuilt, so one that fails its checksum is ignored. KV limits the size of
values, so a large summary has several parts. The first one, the head, has the checksums of the
others, so parts of different versions are never combined.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from core import constants
from core.calendar import Period
from core.errors import SummaryUnreadable
from core.kv_store import get_all
from core.ports import Json, KeyValueStore
from metering.sketches.callers import CallerSketch
from metering.totals import Totals, decode_apis

SUMMARY_VERSION = 3
DIGEST_LENGTH = 16
"""Characters of the checksum before every part."""

SOURCES_AT = 4
"""The index of the sources in the head."""

_PARTS_PER_GET = 8
"""Parts of large summaries in one bulk get, which returns at most 25 MiB."""

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


class Summary(NamedTuple):
    """The totals of a period, or a base: those of a window up to some hour.

    Attributes:
        period: The period; of level `base` for a base.
        sources: What the totals are made of, in order. For a minute, its batches as
            `WRITER/COUNTER`; for a larger period, its parts as `START:FINGERPRINT`; for a base,
            its version.
        totals: The totals.
        unreadable: The keys of batches that could not be decoded.
        directories: Only in a base: the callers of each category, by the newest descriptions.
    """

    period: Period
    sources: Sequence[str]
    totals: Totals
    unreadable: Sequence[str]
    directories: Mapping[str, CallerSketch] = MappingProxyType({})

    @property
    def fingerprint(self) -> str:
        """Identifies the sources among summaries of the same period."""
        return fingerprint_of(self.sources)


class Head(NamedTuple):
    """The decoded first part of a summary; `rest` has the checksums of the other parts."""

    period: Period
    body: Json
    rest: Sequence[str]


def fingerprint_of(sources: Sequence[str]) -> str:
    """Return the hash of a summary's sources, 16 hexadecimal digits."""
    return _digest("\n".join(sources))


def base_sources(version: int) -> Sequence[str]:
    """Return the sources of a base: how many times bases have been written, including it."""
    return [str(version)]


def base_fingerprint(version: int) -> str:
    """Return the fingerprint of the bases of this version."""
    return fingerprint_of(base_sources(version))


def encode_summary(summary: Summary) -> Iterator[tuple[int, str]]:
    """Yield the numbered parts of a summary; the head, number 0, comes last.

    Each part is a checksum, then JSON. It is at most `SUMMARY_PART_LENGTH_MAX` long, unless a
    single API or the sources are longer. Equal summaries have equal parts. Parts are encoded one
    after the other, so that not all are in memory at the same time.
    """
    totals, apis = summary.totals.encode()
    rows = _rows_by_part(apis)
    first = next(rows)
    checks = []
    for number, others in enumerate(rows, start=1):
        text = _with_checksum(f"[{others}]")
        checks.append(text[:DIGEST_LENGTH])
        yield number, text
    head = [
        SUMMARY_VERSION,
        *summary.period,
        checks,
        summary.sources,
        summary.unreadable,
        [[name, sketch.encode()] for name, sketch in sorted(summary.directories.items())],
        totals,
    ]
    yield 0, _with_checksum(f"{_ENCODER.encode(head)[:-1]},[{first}]]")


def decode_head(value: str, period: Period) -> Head:
    """Decode the head of the summary of `period`. Raises `SummaryUnreadable`."""
    body = _checked(value, period)
    try:
        version, level, start, rest, *_ = body
    except (TypeError, ValueError) as error:
        raise SummaryUnreadable(f"the summary of {period} has an invalid form: {error}") from error
    if version != SUMMARY_VERSION or (level, start) != tuple(period):
        raise SummaryUnreadable(
            f"the summary of {period} is one of {level} {start}, version {version}"
        )
    return Head(period, body, rest)


def decode_summary(head: Head, rest: Sequence[str | None]) -> Summary:
    """Decode a summary from its head and parts. Raises `SummaryUnreadable` if one is missing."""
    period, (*_, sources, unreadable, directories, totals, apis), checks = head
    rows = decode_apis(apis)
    for check, text in zip(checks, rest, strict=True):
        if text is None or text[:DIGEST_LENGTH] != check:
            raise SummaryUnreadable(f"the summary of {period} lacks a part")
        rows.update(decode_apis(_checked(text, period)))
    by_directory = {name: CallerSketch.decode(sketch) for name, sketch in directories}
    return Summary(period, sources, Totals.decode(totals, rows), unreadable, by_directory)


def part_keys(key: str, head: Head) -> Sequence[str]:
    """Return the keys of the other parts of the summary whose head has this key."""
    return [part_key(key, number) for number in range(1, len(head.rest) + 1)]


def part_key(key: str, number: int) -> str:
    """Return the key of part `number` of a summary; 0 is the head."""
    return f"{key}/{number}" if number else key


def _rows_by_part(apis: Iterator[Json]) -> Iterator[str]:
    """Encode APIs as JSON, separated by commas, in texts of limited length."""
    texts: list[str] = []
    length = 0
    for api in apis:
        text = _ENCODER.encode(api)
        if length + len(text) > constants.SUMMARY_PART_LENGTH_MAX and texts:
            yield ",".join(texts)
            texts, length = [], 0
        texts.append(text)
        length += len(text) + 1
    yield ",".join(texts)


def _with_checksum(body: str) -> str:
    return _digest(body) + body


def _checked(value: str, period: Period) -> Json:
    body = value[DIGEST_LENGTH:]
    if _digest(body) != value[:DIGEST_LENGTH]:
        raise SummaryUnreadable(f"the summary of {period} has a wrong checksum")
    try:
        return json.loads(body)
    except ValueError as error:
        raise SummaryUnreadable(f"the summary of {period} does not parse: {error}") from error


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_LENGTH // 2).hexdigest()


async def put_summary(
    store: KeyValueStore, key: str, summary: Summary, ttl_seconds: int | None = None
) -> None:
    """Write a summary, its head last, so that the parts exist before the head names them.

    Raises `StoreUnavailable`.
    """
    for number, text in encode_summary(summary):
        metadata = {} if number else {"fingerprint": summary.fingerprint}
        await store.put(part_key(key, number), text, metadata, ttl_seconds)


async def get_summaries(
    store: KeyValueStore, wanted: Mapping[str, Period]
) -> Mapping[str, Summary | None]:
    """Read summaries by key; None for those that are missing or invalid.

    Raises `StoreUnavailable`.
    """
    values = await get_all(store, list(wanted))
    heads: dict[str, Head] = {}
    for key, period in wanted.items():
        # `pop` frees the text, which may be megabytes.
        value = values.pop(key)
        if value is not None:
            try:
                heads[key] = decode_head(value, period)
            except SummaryUnreadable:
                continue
    names = [name for key, head in heads.items() for name in part_keys(key, head)]
    parts = await get_all(store, names, _PARTS_PER_GET)
    found: dict[str, Summary | None] = dict.fromkeys(wanted)
    for key, head in heads.items():
        try:
            found[key] = decode_summary(head, [parts.pop(name) for name in part_keys(key, head)])
        except SummaryUnreadable:
            continue
    return found
