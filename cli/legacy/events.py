"""Checks the entries of an old event list, and gives each event its id.

An entry is imported, invalid (its money may be unclear), repeated, or left out: it was written
while its request was under way, so that another entry may say what became of it.

The id is the event's own, or is derived from its content, so that the same event has the same id
in every list. Equal events without ids are numbered: the n-th in one list is the n-th in any other.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from api.imports.money import REVENUE_NAMES, amount_micros
from api.imports.old_event import (
    EventReader,
    OldEvent,
    OldEventRefused,
    is_unfinished,
    request_id_of,
)
from cli.legacy.entries import Entry
from cli.legacy.fields import Naming
from cli.legacy.spool import EventSpool
from metering.events import UsageEvent, is_error

DERIVED_PREFIX: Final = "legacy-"
"""Ids begin with this if they are derived from the content."""

REFUSED_MAX: Final = 1_000
"""Entries of a kind that are described; the others are counted."""

_UNUSED_NAMES_MAX: Final = 100
_DIGEST_BYTES: Final = 16
_HASHED: Final = re.compile(r"(?:[a-z0-9]{1,8}[_:-])?(?:0x)?[0-9a-f]{8,128}", re.IGNORECASE)
"""What a hash looks like that an older dispatcher has in place of a caller."""


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
        errors: The calls that failed.
    """

    calls: int = 0
    revenue_micros: int = 0
    errors: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        """Return the sum of both."""
        return Counted(
            self.calls + other.calls,
            self.revenue_micros + other.revenue_micros,
            self.errors + other.errors,
        )


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that is not imported.

    Args:
        index: Its index in the list, from 0.
        line: The line in which it starts, from 1.
        reasons: Why not: all its mistakes.
    """

    index: int
    line: int
    reasons: Sequence[str]


NoteEntry: TypeAlias = Callable[[str, Refused], None]
"""Called with the kind of each entry that is not imported, and with the entry."""


@dataclass(slots=True)
class Listed:
    """The entries of one kind that are not imported.

    Args:
        kind: What they are, for people.
        note: Called with each of them.
        first: The first ones.
        count: Their number.
    """

    kind: str
    note: NoteEntry
    first: list[Refused] = field(default_factory=list)
    count: int = 0

    def add(self, index: int, line: int, reasons: Sequence[str]) -> None:
        """Add an entry."""
        refused = Refused(index, line, reasons)
        self.count += 1
        self.note(self.kind, refused)
        if len(self.first) < REFUSED_MAX:
            self.first.append(refused)


def not_noted(_kind: str, _refused: Refused) -> None:
    """Note nothing."""


@dataclass(slots=True)
class OldList:
    """What a list contains.

    Args:
        events: The number of events; repeated entries count once.
        first_ms: The time of the oldest event, in milliseconds since 1970; `None` without events.
        last_ms: The time of the newest event.
        apis: The totals of the events, by API.
        repeated: The number of repeated entries.
        unknown_callers: The number of events whose caller is not known.
        hashed_callers: The number of events whose caller is a hash of another dispatcher.
        unused: How many entries have each field that has no place in the log.
        invalid: The invalid entries.
        unclear: The entries whose money is not clear.
        left_out: Those that were written before their requests ended.
    """

    note: NoteEntry = not_noted
    events: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    apis: dict[ApiName, Counted] = field(default_factory=dict)
    repeated: int = 0
    unknown_callers: int = 0
    hashed_callers: int = 0
    unused: Counter[str] = field(default_factory=Counter)
    invalid: Listed = field(init=False)
    unclear: Listed = field(init=False)
    left_out: Listed = field(init=False)

    def __post_init__(self) -> None:
        """Start with empty lists."""
        self.invalid = Listed("invalid", self.note)
        self.unclear = Listed("unclear money", self.note)
        self.left_out = Listed("left out", self.note)

    def count_unused(self, names: Iterable[str]) -> None:
        """Count fields of an entry that have no place in the log."""
        for name in names:
            if name in self.unused or len(self.unused) < _UNUSED_NAMES_MAX:
                self.unused[name] += 1

    def count(self, old: OldEvent) -> None:
        """Count an event."""
        event = old.event
        self.events += 1
        self.unknown_callers += not old.caller
        self.hashed_callers += _HASHED.fullmatch(old.caller.partition(":")[2]) is not None
        self.first_ms = min(event.at_ms, self.first_ms or event.at_ms)
        self.last_ms = max(event.at_ms, self.last_ms or event.at_ms)
        assert event.api is not None
        name = ApiName(event.api.tenant_id, event.api.slug)
        failed = event.counted and is_error(event.status, event.outcome)
        counted = Counted(int(event.counted), event.revenue_micros, int(failed))
        self.apis[name] = self.apis.get(name, Counted()) + counted


def read_list(
    entries: Iterable[Entry],
    naming: Naming,
    now_ms: int,
    spool: EventSpool,
    note: NoteEntry = not_noted,
) -> OldList:
    """Check every entry, determine the id of each event, and add it to a spool.

    Args:
        entries: The list.
        naming: The file's names of fields.
        now_ms: The current time in milliseconds since 1970.
        spool: An empty spool.
        note: Called with the kind of each entry that is not imported, and with the entry.
    """
    reader = EventReader(now_ms)
    found = OldList(note)
    for entry in entries:
        _add(entry, reader, naming, spool, found)
    for index, line, lifecycle, has_money, is_known in spool.unfinished():
        if is_known:
            found.left_out.add(index, line, [f"{lifecycle}: a later entry has the outcome"])
        elif has_money:
            found.unclear.add(
                index, line, [f"{lifecycle} is not final, so its amount may not be settled"]
            )
        else:
            found.left_out.add(index, line, [f"{lifecycle} is not final, and no other entry is"])
    return found


def _add(
    entry: Entry, reader: EventReader, naming: Naming, spool: EventSpool, found: OldList
) -> None:
    if not isinstance(entry.value, dict):
        found.invalid.add(entry.index, entry.line, ["must be an object"])
        return
    found.count_unused(naming.unused(entry.value))
    undecided = naming.undecided(entry.value)
    if undecided:
        found.unclear.add(entry.index, entry.line, undecided)
        return
    record = naming.record(entry.value)
    if is_unfinished(record):
        _add_unfinished(entry, record, spool)
        return
    try:
        old = reader.read(record)
    except OldEventRefused as error:
        kind = found.unclear if error.is_about_money else found.invalid
        kind.add(entry.index, entry.line, error.reasons)
        return
    name = _named(old, record, spool)
    content = _digest(repr((old.event, old.caller, old.ip)))
    known = spool.known(name)
    if known is None:
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        spool.add(name, content, entry.index, old.event.at_ms, line)
        found.count(old)
    elif known[0] == content:
        found.repeated += 1
    else:
        reason = f"same id as entry {known[1]}, but different content"
        found.invalid.add(entry.index, entry.line, [reason])


def _add_unfinished(entry: Entry, record: dict[str, Any], spool: EventSpool) -> None:
    lifecycle = str(record.get("lifecycle", record.get("outcome")))
    has_money = any(
        amount_micros(name, record[name]) != 0 for name in REVENUE_NAMES if name in record
    )
    own_id = record.get("id", "")
    name = _digest(request_id_of(str(own_id))) if own_id != "" else b""
    spool.add_unfinished(name, entry.index, entry.line, lifecycle, has_money=has_money)


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
