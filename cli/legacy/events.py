"""Checks the entries of an old event list, and gives each event its id.

The id is the event's own, or is derived from its content, so that the same event has the same id
in every list. Equal events without ids are numbered: the n-th in one list is the n-th in any other.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from api.imports.old_event import EventReader, OldEvent, OldEventRefused, request_id_of
from cli.legacy.entries import Entry
from cli.legacy.fields import Naming
from cli.legacy.spool import EventSpool
from metering.events import UsageEvent

DERIVED_PREFIX: Final = "legacy-"
"""Ids begin with this if they are derived from the content."""

REFUSED_MAX: Final = 1_000
"""Invalid entries that are described; the others are counted."""

_DIGEST_BYTES: Final = 16


class ApiName(NamedTuple):
    """The key of an API's totals."""

    tenant_id: str
    slug: str


@dataclass(frozen=True, slots=True)
class Counted:
    """The totals of an API.

    Args:
        calls: Its calls.
        revenue_micros: Its revenue in micro-dollars.
    """

    calls: int = 0
    revenue_micros: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        """Return the sum of both."""
        return Counted(self.calls + other.calls, self.revenue_micros + other.revenue_micros)


@dataclass(frozen=True, slots=True)
class Refused:
    """An invalid entry.

    Args:
        index: Its index in the list, from 0.
        line: The line in which it starts, from 1.
        reasons: All its mistakes.
    """

    index: int
    line: int
    reasons: Sequence[str]


@dataclass(slots=True)
class OldList:
    """What a list contains.

    Args:
        events: The number of events; repeated entries count once.
        first_ms: The time of the oldest event, in milliseconds since 1970; `None` without events.
        last_ms: The time of the newest event.
        apis: The totals of the events, by API.
        refused: The first invalid entries.
        refused_count: The number of all invalid entries.
        repeated: The number of repeated entries.
    """

    events: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    apis: dict[ApiName, Counted] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    refused_count: int = 0
    repeated: int = 0

    def refuse(self, entry: Entry, reasons: Sequence[str]) -> None:
        """Count an invalid entry."""
        self.refused_count += 1
        if len(self.refused) < REFUSED_MAX:
            self.refused.append(Refused(entry.index, entry.line, reasons))

    def count(self, event: UsageEvent) -> None:
        """Count an event."""
        self.events += 1
        self.first_ms = min(event.at_ms, self.first_ms or event.at_ms)
        self.last_ms = max(event.at_ms, self.last_ms or event.at_ms)
        assert event.api is not None
        name = ApiName(event.api.tenant_id, event.api.slug)
        counted = Counted(int(event.counted), event.revenue_micros)
        self.apis[name] = self.apis.get(name, Counted()) + counted


def read_list(entries: Iterable[Entry], naming: Naming, now_ms: int, spool: EventSpool) -> OldList:
    """Check every entry, determine the id of each event, and add it to a spool.

    Args:
        entries: The list.
        naming: The file's names of fields.
        now_ms: The current time in milliseconds since 1970.
        spool: An empty spool.
    """
    reader = EventReader(now_ms)
    found = OldList()
    for entry in entries:
        _add(entry, reader, naming, spool, found)
    return found


def _add(
    entry: Entry, reader: EventReader, naming: Naming, spool: EventSpool, found: OldList
) -> None:
    if not isinstance(entry.value, dict):
        found.refuse(entry, ["must be an object"])
        return
    record = naming.record(entry.value)
    try:
        old = reader.read(record)
    except OldEventRefused as error:
        found.refuse(entry, error.reasons)
        return
    name = _named(old, record, spool)
    content = _digest(repr((old.event, old.caller, old.ip)))
    known = spool.known(name)
    if known is None:
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        spool.add(name, content, entry.index, old.event.at_ms, line)
        found.count(old.event)
    elif known[0] == content:
        found.repeated += 1
    else:
        found.refuse(entry, [f"same id as entry {known[1]}, but different content"])


def _named(old: OldEvent, record: dict[str, Any], spool: EventSpool) -> bytes:
    """Return a digest of the event's id, after adding one to its record if it has none."""
    if old.own_id:
        return _digest(request_id_of(old.own_id))
    content = _content(old.event)
    name = _derived(content, spool.count_alike(_digest(content)))
    record["id"] = name
    return _digest(name)


def _content(event: UsageEvent) -> str:
    """Return what identifies an event without id; not its caller, which an id must not reveal."""
    api = event.api
    assert api is not None
    known = (api.tenant_id, api.slug, event.at_ms, event.method, event.status, event.latency_ms)
    return json.dumps([*known, event.outcome, event.counted, event.revenue_micros])


def _derived(content: str, number: int) -> str:
    text = json.dumps([content, number])
    return DERIVED_PREFIX + _digest(text).hex()


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest()
