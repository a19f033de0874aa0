"""Batches: what a recorder sends to a shard at once, and their codec.

A batch has a name, `(writer, sequence)`, and what was sent under a name never changes. So a shard
that gets a batch twice counts it once. Two kinds have no sequence: a settled payment, which the
shard counts once by the payment's id, and imported events, each counted once by its own id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from core import constants
from core.errors import BatchUnreadable, BatchVersionUnknown, SettlementUnreadable
from core.ports import Json
from core.safe_json import read_json
from metering.events import Api, UsageEvent
from metering.settlements import SettlementEvent, settlement_fields, settlement_from

BATCH_VERSION = 2
IMPORTED = "import"
"""The writer of imported events."""

_HASH = re.compile("[0-9a-f]{0,16}")
_WRITER = re.compile("[a-z0-9-]{1,64}")
_SURROGATE = re.compile(r"\\u[dD]")
_INTEGER_MAX = (1 << 53) - 1
"""The largest integer that is exact in JavaScript and in SQL statements."""

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
    """

    writer: str
    sequence: int
    dropped: int
    events: Sequence[UsageEvent]
    settlement: SettlementEvent | None = None


def encode_batch(batch: Batch) -> str:
    """Encode a batch as a line of JSON.

    Each API is written once, and rows refer to it by its index. Times count from the first event.
    """
    indexes: dict[Api | None, int | None] = {None: None}
    rows = []
    start_ms = batch.events[0].at_ms if batch.events else 0
    for event in batch.events:
        index = indexes.get(event.api, -1)
        if index == -1:
            index = indexes[event.api] = len(indexes) - 1
        rows.append(
            (
                index,
                event.at_ms - start_ms,
                event.status,
                event.latency_ms,
                int(event.counted),
                event.revenue_micros,
                event.caller,
                event.network,
                event.method,
                event.outcome,
                event.request_id,
            )
        )
    document = {
        "v": BATCH_VERSION,
        "writer": batch.writer,
        "sequence": batch.sequence,
        "dropped": batch.dropped,
        "at": start_ms,
        "apis": [api for api in indexes if api is not None],
        "rows": rows,
    }
    if batch.settlement is not None:
        document["settlement"] = settlement_fields(batch.settlement)
    return _ENCODER.encode(document)


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
        apis = [_decode_api(fields) for fields in document["apis"]]
        start_ms = _whole(document["at"])
        rows = document["rows"]
        if len(rows) > constants.BATCH_EVENTS_MAX:
            raise BatchUnreadable(
                f"it has {len(rows)} events; the limit is {constants.BATCH_EVENTS_MAX}"
            )
        batch = Batch(
            _writer(document["writer"]),
            _whole(document["sequence"]),
            _whole(document["dropped"]),
            [_decode_row(row, apis, start_ms) for row in rows],
            settlement_from(document["settlement"]) if "settlement" in document else None,
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
    if batch.settlement is not None and len(batch.events) > 1:
        raise BatchUnreadable("a payment has more than one event")
    if batch.settlement is not None and not 0 <= batch.settlement.claimed_at_ms <= _INTEGER_MAX:
        raise BatchUnreadable(f"{batch.settlement.claimed_at_ms} is not a time")


def _decode_api(fields: Json) -> Api:
    tenant_id, slug, owner, directory, price_micros = fields
    return Api(_text(tenant_id), _text(slug), _text(owner), _text(directory), _whole(price_micros))


def _decode_row(row: Json, apis: Sequence[Api], start_ms: int) -> UsageEvent:
    index, offset, status, latency, counted, revenue, caller, network, method, outcome, name = row
    # Events are recorded as their responses are ready, and a clock may be set back.
    if type(offset) is not int or not 0 <= start_ms + offset <= _INTEGER_MAX:
        raise TypeError(f"{offset!r} is not a time")
    return UsageEvent(
        _text(name),
        start_ms + offset,
        None if index is None else apis[_whole(index)],
        _text(method),
        _whole(status),
        _whole(latency),
        _hash(caller),
        _text(outcome),
        bool(_whole(counted)),
        _whole(revenue),
        _hash(network),
    )


def _writer(value: Json) -> str:
    if value != "" and _WRITER.fullmatch(_text(value)) is None:
        raise TypeError(f"{value!r} is not the name of a writer")
    return str(value)


def _hash(value: Json) -> str:
    if _HASH.fullmatch(_text(value)) is None:
        raise TypeError(f"{value!r} is not a keyed hash")
    return str(value)


def _text(value: Json) -> str:
    if type(value) is not str:
        raise TypeError(f"{value!r} is not a string")
    return value


def _whole(value: Json) -> int:
    if type(value) is not int or not 0 <= value <= _INTEGER_MAX:
        raise TypeError(f"{value!r} is not a non-negative integer")
    return value
