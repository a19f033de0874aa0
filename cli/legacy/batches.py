"""Old events as batches of the log: what each is called, and what is written for it.

The key of an event's batch follows from the event alone, so that the same event is the same
key in every list that has it. An event with an id is known by it, its time and its API. One
without is known by what it says, but for who called: the key must not give that away. Of
several that say the same, the n-th of one list is the n-th of any other.
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
    """An entry that cannot be used.

    Args:
        entry: Where it is.
        reasons: Everything that is wrong with it.
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
        """The UTC minute that it happened in, counted from 1970."""
        return self.old.event.at_ms // MINUTE_MS


@dataclass(frozen=True, slots=True)
class OldList:
    """A whole list, read.

    Args:
        events: Its events by key, each once, in the order of the list.
        refused: The entries that cannot be used.
        repeated: How many entries were there a second time.
    """

    events: Mapping[str, Identified]
    refused: Sequence[Refused]
    repeated: int


def read_list(entries: Sequence[Entry], naming: Naming, now_ms: int) -> OldList:
    """Check every entry and give each event its key.

    Args:
        entries: The list.
        naming: Where the fields are.
        now_ms: Now, in milliseconds since 1970.
    """
    reader = EventReader(now_ms)
    found: dict[str, Identified] = {}
    places: dict[str, Entry] = {}
    refused: list[Refused] = []
    repeated = 0
    alike: Counter[str] = Counter()
    for entry in entries:
        if not isinstance(entry.value, dict):
            refused.append(Refused(entry, ["it must be an object"]))
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
                reason = f"it has the id, time and API of entry {index}, and says something else"
                refused.append(Refused(entry, [reason]))
                repeated -= 1
        else:
            places[one.key] = entry
    return OldList(found, refused, repeated)


def caller_hashes(secret: str) -> CallerHasher:
    """Return what hashes callers as the dispatcher does.

    Args:
        secret: Its `CALLER_HASH_SECRET`.
    """
    return CallerHasher(cast(Environment, _OneSetting(secret)))


def marks(events: Sequence[Identified], now_ms: int) -> list[dict[str, Any]]:
    """Return the marks that make compaction look at the minutes of these events.

    Args:
        events: What is to be written behind them.
        now_ms: Now, in milliseconds since 1970.

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
        callers: What hashes those who called.

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
    said = (api.tenant_id, api.slug, event.at_ms, event.method, event.status, event.latency_ms)
    return json.dumps([*said, event.outcome, event.counted, event.revenue_micros])


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
    """All of the environment that hashing asks for."""

    secret: str

    def setting(self, name: str) -> str | None:
        return self.secret if name == SECRET_SETTING else None
