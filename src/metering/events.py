"""Usage events: what a request leaves behind, and how a batch of them is written.

Owns the record and its form in the log. Refuses to know when and where
batches are stored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple

from core.calendar import MINUTE_MS
from core.errors import BatchUnreadable
from core.ports import Json

BATCH_VERSION = 1
_CALLER = re.compile("[0-9a-f]{0,16}")


class Api(NamedTuple):
    """The published API that a request was for, as it was described at that time."""

    tenant_id: str
    slug: str
    owner: str
    directory: str
    price_micros: int


class UsageEvent(NamedTuple):
    """One request that reached a tenant's route, and what became of it.

    `at_ms` is when the response's headers were ready, `latency_ms` the time
    since the request arrived. `api` is None when no tenant answers there.
    `caller` is a keyed hash in 16 hexadecimal digits, never an identity, and
    empty when the request ended before it was known. `outcome` is `served` when the
    tenant's script answered, else an error code of the contract. `counted`
    tells calls from requests that were refused before dispatch.
    """

    request_id: str
    at_ms: int
    api: Api | None
    method: str
    status: int
    latency_ms: int
    caller: str
    outcome: str
    counted: bool
    revenue_micros: int


class Batch(NamedTuple):
    """Events written under one key, and how many the writer had to drop before them."""

    events: Sequence[UsageEvent]
    dropped: int


def encode_batch(batch: Batch, minute: int) -> str:
    """Write a batch as JSON; its APIs are named once and rows refer to them."""
    numbers: dict[Api | None, int | None] = {None: None}
    rows = []
    for event in batch.events:
        number = numbers.get(event.api, -1)
        if number == -1:
            number = numbers[event.api] = len(numbers) - 1
        rows.append(
            (
                number,
                event.at_ms - minute * MINUTE_MS,
                event.status,
                event.latency_ms,
                int(event.counted),
                event.revenue_micros,
                event.caller,
                event.method,
                event.outcome,
                event.request_id,
            )
        )
    apis = [api for api in numbers if api is not None]
    return json.dumps(
        {"v": BATCH_VERSION, "dropped": batch.dropped, "apis": apis, "rows": rows},
        separators=(",", ":"),
    )


def decode_batch(value: str, minute: int) -> Batch:
    """Read a batch back.

    Raises `BatchUnreadable` when `value` was cut short, is of another version,
    or holds anything but what `encode_batch` writes.
    """
    try:
        document = json.loads(value)
        if document["v"] != BATCH_VERSION:
            raise BatchUnreadable(
                f"it is of version {document['v']!r}, this software reads {BATCH_VERSION}"
            )
        apis = [_decode_api(fields) for fields in document["apis"]]
        start_ms = minute * MINUTE_MS
        events = [_decode_row(row, apis, start_ms) for row in document["rows"]]
        return Batch(events, _whole(document["dropped"]))
    except (ValueError, TypeError, LookupError) as error:
        raise BatchUnreadable(f"it does not parse: {error!r}") from error


def batch_metadata(batch: Batch) -> Mapping[str, int]:
    """Sum up a batch for its key's metadata, so that a listing tells how much is there.

    Calls and revenue are those of an API, as figures have them.
    """
    of_apis = [event for event in batch.events if event.api is not None]
    return {
        "events": len(batch.events),
        "calls": sum(event.counted for event in of_apis),
        "revenueMicros": sum(event.revenue_micros for event in of_apis),
        "dropped": batch.dropped,
    }


def _decode_api(fields: Json) -> Api:
    tenant_id, slug, owner, directory, price_micros = fields
    return Api(_text(tenant_id), _text(slug), _text(owner), _text(directory), _whole(price_micros))


def _decode_row(row: Json, apis: Sequence[Api], start_ms: int) -> UsageEvent:
    number, offset_ms, status, latency_ms, is_call, revenue, caller, method, outcome, name = row
    return UsageEvent(
        _text(name),
        start_ms + _whole(offset_ms),
        None if number is None else apis[_whole(number)],
        _text(method),
        _whole(status),
        _whole(latency_ms),
        _caller(caller),
        _text(outcome),
        bool(_whole(is_call)),
        _whole(revenue),
    )


def _caller(value: Json) -> str:
    if _CALLER.fullmatch(_text(value)) is None:
        raise TypeError(f"{value!r} is no caller")
    return str(value)


def _text(value: Json) -> str:
    if type(value) is not str:
        raise TypeError(f"{value!r} is no text")
    return value


def _whole(value: Json) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"{value!r} is no whole number from 0")
    return value


_CALLER_SIDE_ERRORS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


def is_error(status: int) -> bool:
    """Tell whether a call with this HTTP status counts as an error of the API."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _CALLER_SIDE_ERRORS
