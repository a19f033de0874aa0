"""Reads the body of an import and appends its events to the log, each once; undoes an import.

All imported events go to shard 0, so that an event that is sent again, also after shards were
added, meets its id.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from api.imports.money import undecided_money
from api.imports.old_event import EventReader, OldEventRefused, known_fields, request_id_of
from core import constants
from core.callers import CallerHasher
from core.errors import (
    BatchRefused,
    ImportFolded,
    ImportUndone,
    InvalidParameter,
    NotFound,
    ShardUnavailable,
)
from core.ports import Clock, Json, Request, UsageShards
from core.safe_json import read_json
from metering.batches import IMPORTED, Batch, encode_batch
from metering.events import UsageEvent
from metering.imports.undoing import FOLDED, IMPORT_UNDONE, UNKNOWN

_SHARD = 0
_ATTEMPTS = 3
_PAUSE_MS = 1_000
_EXPECTED = "a JSON array of events, or one event per line, as JSON"


@dataclass(slots=True)
class ImportReport:
    """What an import did; `errors` describes the first rejected events, by line from 1."""

    received: int = 0
    imported: int = 0
    known: int = 0
    rejected: int = 0
    errors: list[Json] = field(default_factory=list)
    undo_until_ms: int | None = None

    def reject(self, line: int, own_id: Json, reasons: Sequence[str]) -> None:
        """Count a rejected event."""
        self.rejected += 1
        if len(self.errors) < constants.IMPORT_ERRORS_MAX:
            shown = str(own_id) if type(own_id) in (str, int) else None
            self.errors.append({"line": line, "id": shown, "reasons": list(reasons)})


@dataclass(frozen=True, slots=True)
class Importer:
    """Imports events into the log of one deployment."""

    shards: UsageShards
    clock: Clock
    callers: CallerHasher

    async def run(self, request: Request, import_id: str) -> ImportReport:
        """Import the events in the body of a request.

        Args:
            request: The request.
            import_id: The import that they belong to; empty if it cannot be undone.

        Raises:
            InvalidParameter: The body is too long, or contains no events.
            ImportUndone: The import was undone.
            ShardUnavailable: The shard did not respond; it may have some of the events.
            BatchRefused: The shard is of another version.
        """
        _check_length(request)
        report = ImportReport()
        events = self._read(await request.text(), report)
        if events:
            await self._append(events, import_id, report)
        if import_id:
            found = await self._undo(import_id, execute=False)
            report.undo_until_ms = found["untilMs"]
        return report

    async def undo(self, import_id: str, *, execute: bool) -> Mapping[str, Json]:
        """Return the state of an import; with `execute`, undo it.

        Returns `state`, `events` (of an import that is or was open) and `untilMs`, as the shard
        does. A retry whose first attempt took effect has no events.

        Raises:
            NotFound: There is no such import, and it is to be undone.
            ImportFolded: It cannot be undone any more.
            ShardUnavailable: The shard did not respond; it may have undone it.
        """
        found = await self._undo(import_id, execute=execute)
        if execute and found["state"] == UNKNOWN:
            raise NotFound(f"There is no import {import_id}.")
        if execute and found["state"] == FOLDED:
            raise ImportFolded(import_id)
        return found

    async def _undo(self, import_id: str, *, execute: bool) -> Mapping[str, Json]:
        argument = json.dumps({"import": import_id, "execute": execute})
        found: Mapping[str, Json] = json.loads(await self._call("undo", argument))
        return found

    def _read(self, text: str, report: ImportReport) -> Sequence[UsageEvent]:
        reader = EventReader(self.clock.now_ms())
        events = []
        for line, value, fault in _entries(text):
            report.received += 1
            if report.received > constants.IMPORT_EVENTS_MAX:
                limit = f"at most {constants.IMPORT_EVENTS_MAX} events; line {line} has another one"
                raise InvalidParameter("body", limit)
            if fault or not isinstance(value, dict):
                report.reject(line, None, [fault or "it is not an object"])
                continue
            record = known_fields(value)
            undecided = undecided_money(value)
            if undecided:
                report.reject(line, record.get("id"), undecided)
                continue
            try:
                old = reader.read(record)
            except OldEventRefused as error:
                report.reject(line, record.get("id"), error.reasons)
                continue
            if not old.own_id:
                report.reject(line, None, ["id is missing: without it, an event could count twice"])
                continue
            events.append(
                old.event._replace(
                    request_id=request_id_of(old.own_id),
                    caller=self.callers.hash(old.caller) if old.caller else "",
                    network=self.callers.hash_network(old.ip),
                )
            )
        return events

    async def _append(
        self, events: Sequence[UsageEvent], import_id: str, report: ImportReport
    ) -> None:
        text = encode_batch(Batch(IMPORTED, 0, 0, events, source=import_id))
        if len(text) > constants.BATCH_LENGTH_MAX and len(events) > 1:
            half = len(events) // 2
            await self._append(events[:half], import_id, report)
            await self._append(events[half:], import_id, report)
            return
        response = json.loads(await self._call("append", text))
        if response.get("error") == IMPORT_UNDONE:
            raise ImportUndone(import_id)
        if "error" in response:
            raise BatchRefused(response["error"], response["message"])
        new = int(response["new"])
        report.imported += new
        report.known += len(events) - new

    async def _call(self, method: str, argument: str) -> str:
        """Call the shard until it responds; each call may be repeated."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self.shards.call(_SHARD, method, argument)
            except ShardUnavailable:
                if attempt == _ATTEMPTS:
                    raise
                await self.clock.sleep_ms(_PAUSE_MS)
        raise AssertionError


def _check_length(request: Request) -> None:
    text = request.headers.get("content-length", "")
    length = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
    if length is None or length > constants.IMPORT_BYTES_MAX:
        raise InvalidParameter("content-length", f"given, at most {constants.IMPORT_BYTES_MAX}")


def _entries(text: str) -> Iterator[tuple[int, Json, str]]:
    """Yield the line, the value and the fault of each event in a body; one of the last is empty."""
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("["):
        yield from _array_entries(text)
        return
    is_empty = True
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        is_empty = False
        try:
            yield number, read_json(line), ""
        except ValueError as error:
            yield number, None, f"it is not JSON: {error}"
    if is_empty:
        raise InvalidParameter("body", _EXPECTED)


def _array_entries(text: str) -> Iterator[tuple[int, Json, str]]:
    try:
        values = read_json(text)
    except ValueError as error:
        raise InvalidParameter("body", f"{_EXPECTED}; it does not parse: {error}") from error
    decode = json.JSONDecoder().raw_decode
    at, line, counted_to = text.index("[") + 1, 1, 0
    for value in values:
        while text[at] in " \t\r\n,":
            at += 1
        line += text.count("\n", counted_to, at)
        counted_to = at
        yield line, value, ""
        _, at = decode(text, at)
