"""Summaries: the figures of one period, and what exactly they were made of.

Owns how a summary is written and how it proves itself. A summary is a cache:
one that fails its own check is thrown away and made again. KV takes values up
to a size, so a large summary is several texts: the first says which others
belong to it, and no mixture of two versions is ever taken for one.
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
"""Characters of the check before every text."""

SOURCES_AT = 4
"""Where the sources are in the list that a summary is."""

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


class Summary(NamedTuple):
    """The figures of `period`.

    `sources` names what they were made of, in order: for a minute the batches
    as `WRITER/COUNTER`, for a larger period its children as
    `START:FINGERPRINT`, for a base the number of the time that bases were made.
    `unreadable` names the batches below that were set aside. `directories` has
    the callers of each category, as its APIs were described last; in a base alone.
    """

    period: Period
    sources: Sequence[str]
    totals: Totals
    unreadable: Sequence[str]
    directories: Mapping[str, CallerSketch] = MappingProxyType({})

    @property
    def fingerprint(self) -> str:
        """Tells two summaries of the same period with different sources apart."""
        return fingerprint_of(self.sources)


class Head(NamedTuple):
    """The first text of a summary, proven and parsed; `rest` are the checks of the others."""

    period: Period
    body: Json
    rest: Sequence[str]


def fingerprint_of(sources: Sequence[str]) -> str:
    """Shorten what a summary was made of to 16 hexadecimal digits."""
    return _digest("\n".join(sources))


def base_sources(version: int) -> Sequence[str]:
    """Name what a base is told apart by: how often bases had been made, with it."""
    return [str(version)]


def base_mark(version: int) -> str:
    """Give the fingerprint of the bases that were made as the `version`th."""
    return fingerprint_of(base_sources(version))


def encode_summary(summary: Summary) -> Iterator[tuple[int, str]]:
    """Write a summary as one text or several, numbered; the first, number 0, comes last.

    Each is a check of the rest of it, then JSON, and at most `SUMMARY_PART_LENGTH_MAX`
    long but for a single API or the sources. The same content gives the same texts. One is
    made after the other, so that large ones need not be in memory together.
    """
    totals, apis = summary.totals.encode()
    rows = _rows_by_text(apis)
    first = next(rows)
    checks = []
    for number, others in enumerate(rows, start=1):
        text = _proven(f"[{others}]")
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
    yield 0, _proven(f"{_ENCODER.encode(head)[:-1]},[{first}]]")


def decode_head(value: str, period: Period) -> Head:
    """Read the first text of the summary of `period`. Raises `SummaryUnreadable`."""
    body = _unproven(value, period)
    try:
        version, level, start, rest, *_ = body
    except (TypeError, ValueError) as error:
        raise SummaryUnreadable(f"the summary of {period} is of another form: {error}") from error
    if version != SUMMARY_VERSION or (level, start) != tuple(period):
        raise SummaryUnreadable(
            f"the summary of {period} is one of {level} {start}, version {version}"
        )
    return Head(period, body, rest)


def decode_summary(head: Head, rest: Sequence[str | None]) -> Summary:
    """Put a summary together again. Raises `SummaryUnreadable` if it is not whole."""
    period, (*_, sources, unreadable, directories, totals, apis), checks = head
    rows = decode_apis(apis)
    for check, text in zip(checks, rest, strict=True):
        if text is None or text[:DIGEST_LENGTH] != check:
            raise SummaryUnreadable(f"the summary of {period} lacks a part")
        rows.update(decode_apis(_unproven(text, period)))
    by_directory = {name: CallerSketch.decode(sketch) for name, sketch in directories}
    return Summary(period, sources, Totals.decode(totals, rows), unreadable, by_directory)


def part_keys(key: str, head: Head) -> Sequence[str]:
    """Name the keys of the other texts of the summary whose first one is under `key`."""
    return [part_key(key, number) for number in range(1, len(head.rest) + 1)]


def part_key(key: str, number: int) -> str:
    """Name the key of text `number` of a summary; 0 is the first."""
    return f"{key}/{number}" if number else key


def _rows_by_text(apis: Iterator[Json]) -> Iterator[str]:
    """Write APIs as JSON, separated by commas, cut into one text or several of limited length."""
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


def _proven(body: str) -> str:
    return _digest(body) + body


def _unproven(value: str, period: Period) -> Json:
    body = value[DIGEST_LENGTH:]
    if _digest(body) != value[:DIGEST_LENGTH]:
        raise SummaryUnreadable(f"the summary of {period} fails its own check")
    try:
        return json.loads(body)
    except ValueError as error:
        raise SummaryUnreadable(f"the summary of {period} does not parse: {error}") from error


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_LENGTH // 2).hexdigest()


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
