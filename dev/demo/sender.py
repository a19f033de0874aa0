"""Sends planned requests to a running dispatcher and tells which of them it should count."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from dev.demo.traffic import PlannedRequest

UPLOAD_CHUNK_BYTES = 64 * 1024
TIMEOUT_SECONDS = 60.0

NOT_COUNTED_CODES = frozenset(
    {
        "cap_exceeded",
        "facilitator_unavailable",
        "payment_already_used",
        "rate_limited",
        "tenant_not_found",
        "usage_quota_exceeded",
    }
)
"""Error codes of the dispatcher for requests that never reach the API; they are no calls."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one request.

    Args:
        planned: The request.
        status: HTTP status; `None` without a complete response.
        error: The code of the dispatcher's error, or the name of the connection error.
        seconds: Time from sending to the end of the response.
    """

    planned: PlannedRequest
    status: int | None
    error: str | None
    seconds: float

    @property
    def has_response(self) -> bool:
        """Whether a complete response was received."""
        return self.status is not None

    @property
    def counted(self) -> bool:
        """Whether the dispatcher should count it as a call."""
        not_counted = self.status == httpx.codes.PAYMENT_REQUIRED or self.error in NOT_COUNTED_CODES
        return self.has_response and self.planned.api is not None and not not_counted


async def send(
    plan: Sequence[PlannedRequest],
    url: str,
    concurrency: int,
    on_outcome: Callable[[Outcome], None],
) -> list[Outcome]:
    """Send every request of `plan`.

    Args:
        plan: The requests, in order.
        url: The dispatcher's address, without a path.
        concurrency: The number of concurrent requests, from 1.
        on_outcome: Called after each response, in the event loop.

    Returns:
        One outcome for each request, in the order of completion.
    """
    outcomes: list[Outcome] = []
    waiting = iter(plan)
    limits = httpx.Limits(max_connections=concurrency)

    async def work(client: httpx.AsyncClient) -> None:
        for planned in waiting:
            outcome = await _send_one(client, planned)
            outcomes.append(outcome)
            on_outcome(outcome)

    async with (
        httpx.AsyncClient(base_url=url, limits=limits, timeout=TIMEOUT_SECONDS) as client,
        asyncio.TaskGroup() as workers,
    ):
        for _ in range(concurrency):
            workers.create_task(work(client))
    return outcomes


async def _send_one(client: httpx.AsyncClient, planned: PlannedRequest) -> Outcome:
    headers = dict(planned.headers)
    if planned.host is not None:
        port = urlsplit(str(client.base_url)).port
        headers["host"] = planned.host if port is None else f"{planned.host}:{port}"
    content = _upload(planned.body_bytes) if planned.body_bytes else None
    started = time.monotonic()
    try:
        # Each planned request has another caller, so cookies are not shared.
        client.cookies.clear()
        response = await client.request(
            planned.method, planned.path, headers=headers, content=content
        )
    except httpx.TransportError as error:
        return Outcome(planned, None, type(error).__name__, time.monotonic() - started)
    return Outcome(
        planned, response.status_code, _dispatcher_error(response), time.monotonic() - started
    )


async def _upload(body_bytes: int) -> AsyncIterator[bytes]:
    chunk = bytes(range(256)) * (UPLOAD_CHUNK_BYTES // 256)
    for sent in range(0, body_bytes, UPLOAD_CHUNK_BYTES):
        yield chunk[: body_bytes - sent]


def _dispatcher_error(response: httpx.Response) -> str | None:
    """Return the code of a dispatcher's error; errors of an API have no `requestId`."""
    if response.status_code < httpx.codes.BAD_REQUEST:
        return None
    try:
        body = response.json()
    except ValueError:
        return None
    if isinstance(body, dict) and body.get("ok") is False and "requestId" in body:
        return str(body.get("error"))
    return None
