"""Reads the analytics of a running dispatcher.

PlatformError                 base class; a DevelopmentError with exit code 2
├── NotRunningError           nothing listens at the URL
├── UnauthorizedError         the token is wrong
└── UnexpectedResponseError   the response is not that of a working dispatcher
"""

import time
from collections.abc import Callable
from typing import TypedDict, cast

import httpx

from dev.errors import DevelopmentError

POLL_SECONDS = 0.25


class PlatformError(DevelopmentError):
    """The analytics could not be read; the message says what to do."""

    exit_code = 2


class NotRunningError(PlatformError):
    """Nothing listens at the URL."""


class UnauthorizedError(PlatformError):
    """The dispatcher rejects the token."""


class UnexpectedResponseError(PlatformError):
    """The response is not that of a working dispatcher."""


class HeroStats(TypedDict):
    """The totals at the top of the page."""

    activeAgents: int
    publishedApis: int
    directories: int
    calls: int
    revenueUsd: float


class ApiRow(TypedDict):
    """One ranked API."""

    rank: int
    endpoint: str
    owner: str
    directory: str
    priceUsd: float
    calls: int
    uniqueCallers: int
    latencyMs: float
    p95LatencyMs: float
    errorRatePct: float
    trendingScore: float


class Range(TypedDict):
    """The time range of a snapshot."""

    startAt: str | None
    endAt: str


class Snapshot(TypedDict):
    """The analytics of one window; only the fields that are shown here."""

    window: str
    range: Range
    heroStats: HeroStats
    topApis: list[ApiRow]


def read_snapshot(client: httpx.Client) -> Snapshot:
    """Read today's snapshot.

    Args:
        client: A client with the dispatcher's base URL and the token in its headers.

    Returns:
        The snapshot with up to 100 APIs.

    Raises:
        PlatformError: It could not be read.
    """
    url = str(client.base_url).rstrip("/")
    try:
        response = client.get("/__platform/analytics", params={"window": "today", "top": 100})
    except httpx.ConnectError as error:
        raise NotRunningError(
            f"Nothing listens at {url}: start the dispatcher with `make dev`, or give its address "
            "with --url."
        ) from error
    except (httpx.TransportError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise UnexpectedResponseError(
            f"Reading the analytics at {url} failed: {reason}."
        ) from error
    if response.status_code == httpx.codes.UNAUTHORIZED:
        raise UnauthorizedError(
            "The dispatcher rejects the token: pass the one that `make dev` printed with --token."
        )
    try:
        body = response.json()
        snapshot = body["snapshot"]
        int(snapshot["heroStats"]["calls"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnexpectedResponseError(
            f"{url} returned no snapshot (status {response.status_code}): is a clawr dispatcher "
            f"running there? The response was: {response.text[:200]!r}"
        ) from error
    return cast("Snapshot", snapshot)


def wait_for_snapshot(
    client: httpx.Client, enough: Callable[[Snapshot], bool], patience_seconds: float
) -> Snapshot:
    """Read today's snapshot until it meets a condition; events are counted after a delay.

    Args:
        client: As for `read_snapshot`.
        enough: The condition.
        patience_seconds: The maximum wait.

    Returns:
        The first snapshot that meets the condition, else the last one read.

    Raises:
        PlatformError: It could not be read.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        snapshot = read_snapshot(client)
        if enough(snapshot) or time.monotonic() > deadline:
            return snapshot
        time.sleep(POLL_SECONDS)
