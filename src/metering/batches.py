"""Batches: what a recorder sends to a shard at once, and their codec.

A batch has a name, `(writer, sequence)`, and what was sent under a name never changes. So a shard
that gets a batch twice counts it once. Two kinds have no sequence: a settled payment, which the
shard counts once by the payment's id, and imported events, each counted once by its own id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import chain, repeat
from typing import NamedTuple

from core import constants
from core.errors import BatchUnreadable, BatchVersionUnknown, SettlementUnreadable
from core.ports import Json
from core.safe_json import read_json
from metering.events import Api, UsageEvent
from metering.settlements import SettlementEvent, settlement_fields, settlement_from

BATCH_VERSION = 3
IMPORTED = "import"
"""The writer of imported events."""

_HASHES = re.compile("[0-9a-f]{0,16}(?: [0-9a-f]{0,16})*")
_WRITER = re.compile("[a-z0-9-]{1,64}")
_SURROGATE = re.compile(r"\\u[dD]")

_ENCODER = json.JSONEncoder(separators=(",", ":"))


class Batch(NamedTuple):
    """Events that are recorded together.

    Attributes:
        writer: The random name of the recorder; `IMPORTED` for imported events; empty for a
            settled payment.
        sequence: Counts from 1 for each writer and shard; 0 if the batch has no sequence.
        dropped: Events that the writer had to drop since its last batch.
        events: The events; a payment has at most one.
        settlement: The settlement event of a payment.
        source: The import that the events belong to; empty for none.
        undoes: The import whose events are no longer counted; empty for none.
    """

    writer: str
    sequence: int
    dropped: int
    events: Sequence[UsageEvent]
    settlement: SettlementEvent | None = None
    source: str = ""
    undoes: str = ""


def encode_batch(batch: Batch) -> str:
    """Encode a batch as a line of JSON.

    Events are columns in one list, and so are their APIs, each of which is written once. Events
    refer to an API by its number, from 1, or 0 for none. Times count from the first event.
    """
    numbers: dict[Api | None, int] = {None: 0}
    for event in batch.events:
        numbers.setdefault(event.api, len(numbers))
    start_ms = batch.events[0].at_ms if batch.events else 0
    events: list[str | int] = []
    if batch.events:
        names, times, apis, methods, *others = zip(*batch.events, strict=True)
        statuses, latencies, callers, outcomes, counted, revenues, networks = others
        events += *names, *methods, *outcomes, *callers, *networks
        events += [at_ms - start_ms for at_ms in times]
        events += [numbers[api] for api in apis]
        events += *statuses, *latencies, *revenues, *map(int, counted)
    document = {
        "v": BATCH_VERSION,
        "writer": batch.writer,
        "sequence": batch.sequence,
        "dropped": batch.dropped,
        "at": start_ms,
        "apis": [*chain.from_iterable(zip(*filter(None, numbers), strict=True))],
        "events": events,
    }
    if batch.settlement is not None:
        document["settlement"] = settlement_fields(batch.settlement)
    if batch.source:
        document["import"] = batch.source
    if batch.undoes:
        document["undo"] = batch.undoes
    return _ENCODER.encode(document)


def count_events(document: Json) -> int:
    """Return the number of events of a batch that was accepted, decoded from JSON."""
    return len(document["events"]) // len(UsageEvent._fields)


def decode_batch(text: str) -> Batch:
    """Decode a batch.

    Raises:
        BatchVersionUnknown: Another version of the software wrote it.
        BatchUnreadable: It is too long, truncated or otherwise invalid.
    """
    if len(text) > constants.BATCH_LENGTH_MAX:
        raise BatchUnreadable(
            f"it has {len(text)} characters; the limit is {constants.BATCH_LENGTH_MAX}"
        )
    # The text becomes part of a line of a segment, and its length counts as bytes.
    if not text.isascii() or "\n" in text:
        raise BatchUnreadable("it is not one line of ASCII")
    try:
        document = read_json(text)
        if _SURROGATE.search(text):
            # Half of a surrogate pair cannot be stored.
            json.dumps(document, ensure_ascii=False).encode()
    except ValueError as error:
        raise BatchUnreadable(f"it does not parse: {error}") from error
    return batch_from(document)


def batch_from(document: Json) -> Batch:
    """Check a decoded batch; raises like `decode_batch`."""
    try:
        if document["v"] != BATCH_VERSION:
            raise BatchVersionUnknown(
                f"it is of version {document['v']!r}; this software reads {BATCH_VERSION}"
            )
        start_ms, sequence, dropped = (document[name] for name in ("at", "sequence", "dropped"))
        _check_wholes([start_ms, sequence, dropped])
        batch = Batch(
            _writer(document["writer"]),
            sequence,
            dropped,
            _decode_events(document, start_ms),
            settlement_from(document["settlement"]) if "settlement" in document else None,
            _writer(document.get("import", "")),
            _writer(document.get("undo", "")),
        )
    except (ValueError, TypeError, LookupError, SettlementUnreadable) as error:
        raise BatchUnreadable(f"it has an invalid form: {error!r}") from error
    _check_kind(batch)
    return batch


def _check_kind(batch: Batch) -> None:
    """Check that a batch has a sequence, a settlement or imported events, and only one of these."""
    is_numbered = batch.writer not in ("", IMPORTED)
    if is_numbered != (batch.sequence > 0) or (batch.writer == "") != (
        batch.settlement is not None
    ):
        raise BatchUnreadable("it is neither numbered, nor of a payment, nor imported")
    if (batch.source or batch.undoes) and batch.writer != IMPORTED:
        raise BatchUnreadable("it belongs to an import, and has no imported events")
    if batch.undoes and (batch.events or batch.source):
        raise BatchUnreadable("it undoes an import and has events")
    if batch.settlement is not None and len(batch.events) > 1:
        raise BatchUnreadable("a payment has more than one event")
    if (
        batch.settlement is not None
        and not 0 <= batch.settlement.claimed_at_ms <= constants.INTEGER_MAX
    ):
        raise BatchUnreadable(f"{batch.settlement.claimed_at_ms} is not a time")


def _decode_events(document: Json, start_ms: int) -> Sequence[UsageEvent]:
    """Decode events; all values of one type are checked together."""
    values, fields = document["events"], len(UsageEvent._fields)
    count, rest = divmod(len(values), fields)
    if rest:
        raise TypeError(f"{len(values)} values are no events")
    if count > constants.BATCH_EVENTS_MAX:
        raise BatchUnreadable(f"it has {count} events; the limit is {constants.BATCH_EVENTS_MAX}")
    apis = _decode_apis(document["apis"])
    columns = [values[at * count : (at + 1) * count] for at in range(fields)]
    names, methods, outcomes, callers, networks, offsets, *numbers = columns
    _check(values[: 5 * count], str)
    _check(offsets, int)
    # Events are recorded as their responses are ready, and a clock may be set back.
    times = [start_ms + offset for offset in offsets]
    _check_wholes([*times, *values[6 * count :]])
    _check_hashes([*callers, *networks])
    indexes, statuses, latencies, revenues, counted = numbers
    own = map(apis.__getitem__, indexes)
    rows = zip(
        *(names, times, own, methods, statuses, latencies),
        *(callers, outcomes, map(bool, counted), revenues, networks),
        strict=True,
    )
    return [*map(tuple.__new__, repeat(UsageEvent), rows)]


def _decode_apis(values: Json) -> Sequence[Api | None]:
    count, rest = divmod(len(values), len(Api._fields))
    if rest:
        raise TypeError(f"{len(values)} values are no APIs")
    _check(values[: 4 * count], str)
    _check_wholes(values[4 * count :])
    columns = [values[at * count : (at + 1) * count] for at in range(len(Api._fields))]
    return [None, *map(Api._make, zip(*columns, strict=True))]


def _writer(value: Json) -> str:
    _check([value], str)
    if value != "" and _WRITER.fullmatch(value) is None:
        raise TypeError(f"{value!r} is not the name of a writer")
    return str(value)


def _check_hashes(values: Sequence[str]) -> None:
    text = " ".join(values)
    # One match for all, which a hash with a space inside would satisfy, too.
    if _HASHES.fullmatch(text) is None or text.count(" ") >= max(1, len(values)):
        raise TypeError("a caller or a network is not a keyed hash")


def _check_wholes(values: Json) -> None:
    _check(values, int)
    if values and not 0 <= min(values) <= max(values) <= constants.INTEGER_MAX:
        raise TypeError(f"a number is below 0 or above {constants.INTEGER_MAX}")


def _check(values: Json, kind: type) -> None:
    if not isinstance(values, list) or not set(map(type, values)) <= {kind}:
        raise TypeError(f"a value is no {kind.__name__}")
