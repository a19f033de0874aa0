"""Usage events: one for each request to a tenant's route."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

from core.errors import WorkerNotFound

# As plain integers, because looking up a member of an enumeration is slow.
_ERRORS_FROM = int(HTTPStatus.INTERNAL_SERVER_ERROR)
_MISSING = WorkerNotFound.code
_ERRORS_BELOW = (int(HTTPStatus.REQUEST_TIMEOUT), int(HTTPStatus.TOO_MANY_REQUESTS))


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
        network: A keyed hash of the caller's network, as `caller`; empty when it is not known.
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
    network: str = ""


def is_error(status: int, outcome: str) -> bool:
    """Return whether a call with this HTTP status and outcome counts as an error of the API.

    An API whose script is missing is down, although that is 404 to its callers.
    """
    return status >= _ERRORS_FROM or status in _ERRORS_BELOW or outcome == _MISSING
