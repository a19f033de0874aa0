"""Sends planned requests to a running dispatcher and says which of them it should count.

Owns the rule by which an answer counts as a call (the contract's "Snapshot"). Decides
nothing about what is sent: see `traffic`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from dev.demo.traffic import PlannedRequest

UPLOAD_CHUNK_BYTES = 64 * 1024
TIMEOUT_SECONDS = 60.0

# The dispatcher's own refusals, before the API is reached; they are no calls.
REFUSED_BEFORE_DISPATCH = frozenset(
    {
        "cap_exceeded",
        "facilitator_unavailable",
        "payment_already_used",
        "rate_limited",
        "tenant_not_found",
        "usage_quota_exceeded",
    }
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request.

    Args:
        planned: What was sent.
        status: HTTP status, None if no whole answer came.
        error: The code in the dispatcher's own error, or what broke the connection.
        seconds: From sending to the end of the answer.
    """

    planned: PlannedRequest
    status: int | None
    error: str | None
    seconds: float

    @property
    def answered(self) -> bool:
        """Whether a whole answer came."""
        return self.status is not None

    @property
    def counted(self) -> bool:
        """Whether the dispatcher should count it as a call."""
        refused = (
            self.status == httpx.codes.PAYMENT_REQUIRED or self.error in REFUSED_BEFORE_DISPATCH
        )
        return self.answered and self.planned.api is not None and not refused


async def send(
    plan: Sequence[PlannedRequest],
    url: str,
    concurrency: int,
    on_outcome: Callable[[Outcome], None],
) -> list[Outcome]:
    """Send every request of `plan`.

    Args:
        plan: What to send, in this order.
        url: Where the dispatcher listens, without a path.
        concurrency: How many requests may be under way at once, from 1.
        on_outcome: Called after each answer, from the event loop.

    Returns:
        One outcome a request, in the order in which they ended.
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
        # Cookies of one made-up caller are not another's.
        client.cookies.clear()
        answer = await client.request(
            planned.method, planned.path, headers=headers, content=content
        )
    except httpx.TransportError as error:
        return Outcome(planned, None, type(error).__name__, time.monotonic() - started)
    return Outcome(
        planned, answer.status_code, _dispatcher_error(answer), time.monotonic() - started
    )


async def _upload(body_bytes: int) -> AsyncIterator[bytes]:
    chunk = bytes(range(256)) * (UPLOAD_CHUNK_BYTES // 256)
    for sent in range(0, body_bytes, UPLOAD_CHUNK_BYTES):
        yield chunk[: body_bytes - sent]


def _dispatcher_error(answer: httpx.Response) -> str | None:
    """The code of the dispatcher's own error; an API's errors have no request id in them."""
    if answer.status_code < httpx.codes.BAD_REQUEST:
        return None
    try:
        body = answer.json()
    except ValueError:
        return None
    if isinstance(body, dict) and body.get("ok") is False and "requestId" in body:
        return str(body.get("error"))
    return None
