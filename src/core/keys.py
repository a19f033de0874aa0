"""Builds and parses every KV key; no other module does.

Times are milliseconds since 1970-01-01T00:00Z; a minute, hour or day is the number of
that period since then.

KV lists keys in ascending order only, but readers need the newest first. So each part of
the date in a key is inverted: year 9999 minus the year, 12 minus the month, 31 minus the day
and so on. A listing then runs from the newest key to the oldest, and a day is still one prefix.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from core.calendar import MINUTE_MS, MINUTES_PER_DAY, MINUTES_PER_HOUR, minute_of
from core.errors import KeyMalformed

USAGE_PREFIX = "usage/"
"""All batches of usage events."""

LATE_PREFIX = "late/"
"""Markers of usage batches that were written long after their minute."""

SUMMARY_PREFIX = "summary/"
"""Everything that compaction writes."""

COMPACTION_STATE = "summary/progress"
"""The state of compaction: `metering.state`."""

PUBLISHED = "summary/published"
"""The snapshots that cron computed."""

PREVIOUS_PERIOD_PREFIX = "past/"
"""Each window's totals as of past hours."""

DEMO_HISTORY = "demo/history"
"""Set by `dev.history` if the log has generated demo events: their range."""

USAGE_MINUTE_LENGTH = 23
"""Characters of a usage batch's key including the slash after its minute."""

SETTLEMENT_PREFIX = "settlement/"
"""All settlement events."""

RECONCILED_UNTIL = "payments/reconciled"
"""The time until which every payment is final, and equal in the ledger and in KV."""

TENANT_PREFIX = "tenant/"
"""All records of the tenant directory."""

_LEVEL_LENGTHS = {"minute": 16, "hour": 13, "day": 10, "month": 7}
"""Characters of an inverted date that identify a period of each level."""

_FIRST = "0000-11-30T23:59"
"""The first minute of the first day of the first month, inverted."""


class BatchKey(NamedTuple):
    """The parts of a usage batch's key."""

    minute: int
    writer: str
    counter: int


class LateMarker(NamedTuple):
    """The parts of a late marker; `written` is the minute in which the batch was written."""

    written: int
    batch_key: str
    minute: int


def usage_batch(minute: int, writer: str, counter: int) -> str:
    """Build the key of batch `counter` of `writer`, with events of `minute`."""
    return f"{USAGE_PREFIX}{_inverted(minute)}/{writer}/{counter:06d}"


def parse_usage_batch(key: str) -> BatchKey:
    """Parse a usage batch's key. Raises `KeyMalformed` for any other key."""
    try:
        minute, writer, counter = key.removeprefix(USAGE_PREFIX).split("/")
        parsed = BatchKey(_minute_from(minute), writer, int(counter))
    except ValueError as error:
        raise KeyMalformed(f"{key!r} is not the key of a usage batch") from error
    # Only keys that `usage_batch` builds are accepted, so that a batch has exactly one key.
    if not writer or key != usage_batch(*parsed):
        raise KeyMalformed(f"{key!r} is not the key of a usage batch")
    return parsed


def batch_name(key: str) -> str:
    """Return a usage batch's name within its minute: `WRITER/COUNTER`."""
    return key[USAGE_MINUTE_LENGTH:]


def usage_day(day: int) -> str:
    """Build the prefix of all usage batches of the UTC day `day`."""
    return USAGE_PREFIX + _inverted(day * MINUTES_PER_DAY)[:10]


def usage_date(*parts: int) -> str:
    """Build the prefix of all usage batches of a year, a month or a day.

    `parts` are the year, then the month and the day, as far as they are given.
    """
    widths = zip((9999, 12, 31), ("04d", "02d", "02d"), parts, strict=False)
    return USAGE_PREFIX + "-".join(format(top - part, width) for top, width, part in widths)


def usage_hour(hour: int) -> str:
    """Build the prefix of all usage batches of the UTC hour `hour`."""
    return USAGE_PREFIX + _inverted(hour * MINUTES_PER_HOUR)[:13]


def usage_minute(minute: int) -> str:
    """Build the prefix of all usage batches of the UTC minute `minute`."""
    return f"{USAGE_PREFIX}{_inverted(minute)}/"


def late_marker(batch_key: str, written: int) -> str:
    """Build the marker of the usage batch `batch_key`, which was written in minute `written`."""
    return f"{LATE_PREFIX}{written}/{batch_key}"


def parse_late_marker(key: str) -> LateMarker:
    """Parse a late marker. Raises `KeyMalformed` for any other key."""
    written, _, batch_key = key.removeprefix(LATE_PREFIX).partition("/")
    if not written.isdecimal():
        raise KeyMalformed(f"{key!r} is not the marker of a late batch")
    return LateMarker(int(written), batch_key, parse_usage_batch(batch_key).minute)


def summary(level: str, minute: int) -> str:
    """Build the key of the summary of the minute, hour, day or month that starts at `minute`."""
    return f"{SUMMARY_PREFIX}{level}/{_inverted(minute)[: _LEVEL_LENGTHS[level]]}"


def summaries(level: str, parent_level: str | None = None, minute: int = 0) -> str:
    """Build the prefix of the summaries of `level`.

    With `parent_level`, only of those in the period of that level that starts at `minute`.
    """
    within = "" if parent_level is None else _inverted(minute)[: _LEVEL_LENGTHS[parent_level]]
    return f"{SUMMARY_PREFIX}{level}/{within}"


def parse_summary(key: str) -> int:
    """Return the first minute of a summary's period. Raises `KeyMalformed`."""
    level, _, date = key.removeprefix(SUMMARY_PREFIX).partition("/")
    try:
        # The omitted parts of the date are those of the period's start, inverted.
        minute = _minute_from(date + _FIRST[len(date) :])
    except ValueError as error:
        raise KeyMalformed(f"{key!r} is not the key of a summary") from error
    if level not in _LEVEL_LENGTHS or key != summary(level, minute):
        raise KeyMalformed(f"{key!r} is not the key of a summary")
    return minute


def base(first: int | None, end: int) -> str:
    """Build the key of the totals from minute `first`, or the beginning, to before `end`."""
    start = "ever" if first is None else _inverted(first)[: _LEVEL_LENGTHS["day"]]
    return f"{SUMMARY_PREFIX}base/{_inverted(end)[: _LEVEL_LENGTHS['hour']]}/{start}"


def previous_record(end: int) -> str:
    """Build the key of each window's totals as of the end of the hour that ends at `end`."""
    return f"{PREVIOUS_PERIOD_PREFIX}{_inverted(end)[: _LEVEL_LENGTHS['hour']]}"


def settlement(claimed_at_ms: int, name: str) -> str:
    """Build the key of the settlement event of payment `name` that was claimed at that time."""
    minute, remainder_ms = divmod(claimed_at_ms, MINUTE_MS)
    return f"{SETTLEMENT_PREFIX}{_inverted(minute)}/{MINUTE_MS - 1 - remainder_ms:05d}/{name}"


def settlement_day(day: int) -> str:
    """Build the prefix of all settlement events of payments claimed on the UTC day `day`."""
    return SETTLEMENT_PREFIX + _inverted(day * MINUTES_PER_DAY)[:10]


def parse_reconciled(value: str | None) -> int | None:
    """Parse the value under `RECONCILED_UNTIL`, in milliseconds; None if there is none."""
    return int(value) if value is not None and value.isdecimal() else None


def payment_writer(payment_id: str) -> str:
    """Return the writer name of the one usage batch with a payment's revenue."""
    return f"payment-{payment_id}"


def tenant(slug: str) -> str:
    """Build the key of the directory record of `slug` in `TENANT_KV`."""
    return TENANT_PREFIX + slug


def host(name: str) -> str:
    """Build the key in `TENANT_KV` whose value is the slug that host `name` belongs to."""
    return f"host/{name}"


def publication(slug: str) -> str:
    """Build the key in `TENANT_KV` of the state of `clawr publish` for `slug`."""
    return f"publication/{slug}"


@lru_cache(maxsize=1_024)
def _inverted(minute: int) -> str:
    at = datetime.fromtimestamp(minute * 60, UTC)
    return (
        f"{9999 - at.year:04d}-{12 - at.month:02d}-{31 - at.day:02d}"
        f"T{23 - at.hour:02d}:{59 - at.minute:02d}"
    )


@lru_cache(maxsize=1_024)
def _minute_from(inverted: str) -> int:
    date = datetime(
        9999 - int(inverted[0:4]),
        12 - int(inverted[5:7]),
        31 - int(inverted[8:10]),
        23 - int(inverted[11:13]),
        59 - int(inverted[14:16]),
        tzinfo=UTC,
    )
    return minute_of(date)
