"""Usage events, one for each request to a tenant's route, and the codec of their batches."""

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
_API_ERRORS_BELOW_500 = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_CALLER = re.compile("[0-9a-f]{0,16}")


class Api(NamedTuple):
    """The published API that a request was for, as its record was at that time."""

    tenant_id: str
    slug: str
    owner: str
    directory: str
    price_micros: int


class UsageEvent(NamedTuple):
    """One request that reached a tenant's route, and its outcome.

    Attributes:
        request_id: The id in the response's `x-request-id`.
        at_ms: When the response's headers were ready, in milliseconds since 1970 UTC.
        api: The API; None when no tenant has this address.
        method: The HTTP method.
        status: The HTTP status of the response.
        latency_ms: From the request's arrival to `at_ms`.
        caller: A keyed hash in 16 hexadecimal digits, never an identity; empty when the request
            ended before the caller was known.
        outcome: `served` when the tenant's script responded, else an error code.
        counted: Whether it is a call; False for requests refused before dispatch.
        revenue_micros: Revenue in millionths of a dollar.
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


def is_error(status: int) -> bool:
    """Return whether a call with this HTTP status counts as an error of the API."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _API_ERRORS_BELOW_500


class Batch(NamedTuple):
    """Events written under one key, and how many events the writer dropped before them."""

    events: Sequence[UsageEvent]
    dropped: int


def encode_batch(batch: Batch, minute: int) -> str:
    """Encode a batch of events of `minute` as JSON.

    Each API is written once, and rows refer to it by its index.
    """
    indexes: dict[Api | None, int | None] = {None: None}
    rows = []
    for event in batch.events:
        index = indexes.get(event.api, -1)
        if index == -1:
            index = indexes[event.api] = len(indexes) - 1
        rows.append(
            (
                index,
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
    apis = [api for api in indexes if api is not None]
    return json.dumps(
        {"v": BATCH_VERSION, "dropped": batch.dropped, "apis": apis, "rows": rows},
        separators=(",", ":"),
    )


def decode_batch(value: str, minute: int) -> Batch:
    """Decode a batch of events of `minute`.

    Raises `BatchUnreadable` when `value` is truncated, of another version or otherwise invalid.
    """
    try:
        document = json.loads(value)
        if document["v"] != BATCH_VERSION:
            raise BatchUnreadable(
                f"it is of version {document['v']!r}; this software reads {BATCH_VERSION}"
            )
        apis = [_decode_api(fields) for fields in document["apis"]]
        start_ms = minute * MINUTE_MS
        events = [_decode_row(row, apis, start_ms) for row in document["rows"]]
        return Batch(events, _whole(document["dropped"]))
    except (ValueError, TypeError, LookupError) as error:
        raise BatchUnreadable(f"it does not parse: {error!r}") from error


def batch_metadata(batch: Batch) -> Mapping[str, int]:
    """Return the metadata of a batch's key, so that a listing shows how much the batch has.

    Calls and revenue include only events that belong to an API, like all totals.
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
    index, offset_ms, status, latency_ms, counted, revenue, caller, method, outcome, name = row
    return UsageEvent(
        _text(name),
        start_ms + _whole(offset_ms),
        None if index is None else apis[_whole(index)],
        _text(method),
        _whole(status),
        _whole(latency_ms),
        _caller(caller),
        _text(outcome),
        bool(_whole(counted)),
        _whole(revenue),
    )


def _caller(value: Json) -> str:
    if _CALLER.fullmatch(_text(value)) is None:
        raise TypeError(f"{value!r} is not a caller")
    return str(value)


def _text(value: Json) -> str:
    if type(value) is not str:
        raise TypeError(f"{value!r} is not a string")
    return value


def _whole(value: Json) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"{value!r} is not a non-negative integer")
    return value
