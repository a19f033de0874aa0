"""Reads the body of an import and appends its events to the log, each once.

All imported events go to shard 0, so that an event that is sent again, also after shards were
added, meets its id.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from api.imports.old_event import EventReader, OldEventRefused, known_fields, request_id_of
from core import constants
from core.callers import CallerHasher
from core.errors import BatchRefused, InvalidParameter, ShardUnavailable
from core.ports import Clock, Json, Request, UsageShards
from core.safe_json import read_json
from metering.batches import IMPORTED, Batch, encode_batch
from metering.events import UsageEvent

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

    async def run(self, request: Request) -> ImportReport:
        """Import the events in the body of a request.

        Raises:
            InvalidParameter: The body is too long, or contains no events.
            ShardUnavailable: The shard did not respond; it may have some of the events.
            BatchRefused: The shard is of another version.
        """
        _check_length(request)
        report = ImportReport()
        events = self._read(await request.text(), report)
        if events:
            await self._append(events, report)
        return report

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

    async def _append(self, events: Sequence[UsageEvent], report: ImportReport) -> None:
        text = encode_batch(Batch(IMPORTED, 0, 0, events))
        if len(text) > constants.BATCH_LENGTH_MAX and len(events) > 1:
            half = len(events) // 2
            await self._append(events[:half], report)
            await self._append(events[half:], report)
            return
        new = await self._send(text)
        report.imported += new
        report.known += len(events) - new

    async def _send(self, text: str) -> int:
        """Send a batch; return how many of its events were new to the last call."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                response = json.loads(await self.shards.call(_SHARD, "append", text))
            except ShardUnavailable:
                if attempt == _ATTEMPTS:
                    raise
                await self.clock.sleep_ms(_PAUSE_MS)
            else:
                if "error" in response:
                    raise BatchRefused(response["error"], response["message"])
                return int(response["new"])
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
