"""Reads the analytics of a running dispatcher.

Owns how the platform routes are asked and what can go wrong with that, said in one line:

    PlatformError               the base; a DevelopmentError with exit code 2
    ├── NotRunningError         nothing answers there
    ├── UnauthorizedError       the token is not the dispatcher's
    └── UnexpectedAnswerError   something answers, but not as the contract has it
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
    """Nothing answers at the URL."""


class UnauthorizedError(PlatformError):
    """The dispatcher refuses the token."""


class UnexpectedAnswerError(PlatformError):
    """What answers is not a dispatcher, or one that is in trouble."""


class HeroStats(TypedDict):
    """The figures above everything else."""

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
    """The time that a snapshot covers."""

    startAt: str | None
    endAt: str


class Snapshot(TypedDict):
    """What one window's analytics hold; the fields that are shown here."""

    window: str
    range: Range
    heroStats: HeroStats
    topApis: list[ApiRow]


def read_snapshot(client: httpx.Client) -> Snapshot:
    """Read today's snapshot.

    Args:
        client: Has the dispatcher's address as its base and the token in its headers.

    Returns:
        The snapshot with up to 100 APIs.

    Raises:
        PlatformError: It could not be read.
    """
    url = str(client.base_url).rstrip("/")
    try:
        answer = client.get("/__platform/analytics", params={"window": "today", "top": 100})
    except httpx.ConnectError as error:
        raise NotRunningError(
            f"nothing answers at {url}: start the dispatcher with `make dev`, "
            "or say where it is with --url"
        ) from error
    except (httpx.TransportError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise UnexpectedAnswerError(f"reading the analytics at {url} failed: {reason}") from error
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise UnauthorizedError(
            "the dispatcher refuses the token: pass the one `make dev` printed with --token"
        )
    try:
        body = answer.json()
        snapshot = body["snapshot"]
        int(snapshot["heroStats"]["calls"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnexpectedAnswerError(
            f"no snapshot came from {url} (status {answer.status_code}): "
            f"is a clawr dispatcher running there? It said: {answer.text[:200]!r}"
        ) from error
    return cast("Snapshot", snapshot)


def await_snapshot(
    client: httpx.Client, enough: Callable[[Snapshot], bool], patience_seconds: float
) -> Snapshot:
    """Read today's snapshot until it is good enough; events become figures a moment late.

    Args:
        client: As for `read_snapshot`.
        enough: Whether to stop waiting.
        patience_seconds: How long to wait at most.

    Returns:
        The first snapshot that was enough, else the last one read.

    Raises:
        PlatformError: It could not be read.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        snapshot = read_snapshot(client)
        if enough(snapshot) or time.monotonic() > deadline:
            return snapshot
        time.sleep(POLL_SECONDS)
