"""Turns old events into batches of the log, with keys derived from the events.

The same event gets the same key in every list. The key is a hash of the event's id, time and API;
if it has no id, of its content without the caller, which a key must not reveal. Equal events
without ids are numbered: the n-th in one list is the n-th in any other.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from cli.legacy.entries import Entry
from cli.legacy.event import EntryRefusedError, EventReader, OldEvent, request_id_of
from cli.legacy.fields import Naming
from core import constants, keys
from core.calendar import MINUTE_MS
from core.ports import Environment
from gateway.request_context import SECRET_SETTING, CallerHasher
from metering.events import Batch, UsageEvent, batch_metadata, encode_batch

WRITER_PREFIX: Final = "legacy-"


@dataclass(frozen=True, slots=True)
class Refused:
    """An invalid entry.

    Args:
        entry: The entry.
        reasons: All its mistakes.
    """

    entry: Entry
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True)
class Identified:
    """An event with the key of its batch.

    Args:
        key: The key.
        old: The event.
    """

    key: str
    old: OldEvent

    @property
    def minute(self) -> int:
        """The event's UTC minute, in minutes since 1970."""
        return self.old.event.at_ms // MINUTE_MS


@dataclass(frozen=True, slots=True)
class OldList:
    """A parsed event list.

    Args:
        events: The events by key, each once, in the order of the list.
        refused: The invalid entries.
        repeated: The number of repeated entries.
    """

    events: Mapping[str, Identified]
    refused: Sequence[Refused]
    repeated: int


def read_list(entries: Sequence[Entry], naming: Naming, now_ms: int) -> OldList:
    """Check every entry and derive the key of each event.

    Args:
        entries: The list.
        naming: The file's names of fields.
        now_ms: The current time in milliseconds since 1970.
    """
    reader = EventReader(now_ms)
    found: dict[str, Identified] = {}
    places: dict[str, Entry] = {}
    refused: list[Refused] = []
    repeated = 0
    alike: Counter[str] = Counter()
    for entry in entries:
        if not isinstance(entry.value, dict):
            refused.append(Refused(entry, ["must be an object"]))
            continue
        try:
            old = reader.read(naming.record(entry.value))
        except EntryRefusedError as error:
            refused.append(Refused(entry, error.reasons))
            continue
        content = _content(old.event)
        alike[content] += not old.own_id
        one = _identified(old, content, alike[content])
        known = found.setdefault(one.key, one)
        if known is not one:
            repeated += 1
            if known.old != old:
                index = places[one.key].index
                reason = f"same id, time and API as entry {index}, but different content"
                refused.append(Refused(entry, [reason]))
                repeated -= 1
        else:
            places[one.key] = entry
    return OldList(found, refused, repeated)


def caller_hashes(secret: str) -> CallerHasher:
    """Return the dispatcher's hash of callers.

    Args:
        secret: The dispatcher's `CALLER_HASH_SECRET`.
    """
    return CallerHasher(cast(Environment, _OneSetting(secret)))


def marks(events: Sequence[Identified], now_ms: int) -> list[dict[str, Any]]:
    """Return the marks that make compaction process the minutes of these events.

    Args:
        events: The events, whose batches are written after the marks.
        now_ms: The current time in milliseconds since 1970.

    Returns:
        Pairs for KV's bulk write.
    """
    minute = now_ms // MINUTE_MS
    return [
        {"key": keys.late_marker(one.key, minute), "value": "", "metadata": {}} for one in events
    ]


def batches(events: Sequence[Identified], callers: CallerHasher) -> list[dict[str, Any]]:
    """Return the batches of these events.

    Args:
        events: The events.
        callers: The hash of callers.

    Returns:
        Pairs for KV's bulk write.
    """
    return [_batch(one, callers) for one in events]


def _batch(one: Identified, callers: CallerHasher) -> dict[str, Any]:
    parsed = keys.parse_usage_batch(one.key)
    event = one.old.event._replace(
        request_id=request_id_of(one.old.own_id, parsed.writer),
        caller=callers.hash(one.old.caller) if one.old.caller else "",
    )
    batch = Batch((event,), 0)
    return {
        "key": one.key,
        "value": encode_batch(batch, parsed.minute),
        "metadata": dict(batch_metadata(batch)),
        "expiration_ttl": constants.BATCH_TTL_SECONDS,
    }


def _content(event: UsageEvent) -> str:
    api = event.api
    assert api is not None
    known = (api.tenant_id, api.slug, event.at_ms, event.method, event.status, event.latency_ms)
    return json.dumps([*known, event.outcome, event.counted, event.revenue_micros])


def _identified(old: OldEvent, content: str, number: int) -> Identified:
    api = old.event.api
    assert api is not None
    if old.own_id:
        name = ["id", old.own_id, old.event.at_ms, api.tenant_id, api.slug]
    else:
        name = ["content", content, number]
    digest = hashlib.blake2b(json.dumps(name).encode(), digest_size=8).hexdigest()
    minute = old.event.at_ms // MINUTE_MS
    return Identified(keys.usage_batch(minute, f"{WRITER_PREFIX}{digest}", 1), old)


@dataclass(frozen=True, slots=True)
class _OneSetting:
    """The part of the environment that `CallerHasher` reads."""

    secret: str

    def setting(self, name: str) -> str | None:
        return self.secret if name == SECRET_SETTING else None
