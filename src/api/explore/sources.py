"""Sources of the public page's snapshots: this Worker's analytics, or another dispatcher's.

The other dispatcher's token is sent to its address only: redirects are not followed, and
neither responses nor logs contain it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit

from analytics import Analytics
from api.explore.sanitize import is_snapshot
from core import constants
from core.errors import (
    BindingMissing,
    ConfigurationError,
    FetchFailed,
    ShardUnavailable,
    StoreUnavailable,
)
from core.ports import Environment, Json
from core.safe_json import read_json

UNREACHABLE = "upstream_unreachable"
"""No complete response in time, or no address to send the request to."""

HTTP_ERROR = "upstream_http_error"
"""A response that is no snapshot."""

_UPSTREAM_URL_SETTING = "ANALYTICS_BASE_URL"
_UPSTREAM_TOKEN_SETTING = "ANALYTICS_TOKEN"  # noqa: S105
_LOOPBACK = re.compile(r"localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1", re.ASCII)
_TOKEN = re.compile(r"[!-~]+", re.ASCII)


class UpstreamFailed(Exception):
    """There is no snapshot at the moment."""

    def __init__(self, code: str, message: str) -> None:
        """Take the code for the page, and a message for the log only."""
        super().__init__(message)
        self.code = code


class Source(Protocol):
    """Where snapshots come from."""

    @property
    def name(self) -> str:
        """The value of `source` in the response: `self` or `upstream`."""
        ...

    async def snapshot(self, window: str) -> Json:
        """Return the snapshot of `window`, not sanitized. Raises `UpstreamFailed`."""
        ...


@dataclass(frozen=True, slots=True)
class LocalSource:
    """This Worker's own analytics."""

    analytics: Analytics
    name: str = "self"

    async def snapshot(self, window: str) -> Json:
        """Return the snapshot of `window`. Raises `UpstreamFailed`."""
        try:
            snapshots = await self.analytics.snapshots((window,), constants.TOP_MAX)
        except (BindingMissing, ShardUnavailable, StoreUnavailable) as error:
            raise UpstreamFailed(UNREACHABLE, f"analytics cannot be read: {error}") from error
        return snapshots[window]


@dataclass(frozen=True, slots=True)
class RemoteSource:
    """The platform API of another dispatcher, at `ANALYTICS_BASE_URL`."""

    environment: Environment
    name: str = "upstream"

    async def snapshot(self, window: str) -> Json:
        """Request the snapshot of `window`. Raises `UpstreamFailed`."""
        try:
            upstream = upstream_of(self.environment)
        except ConfigurationError as error:
            raise UpstreamFailed(UNREACHABLE, error.message) from error
        assert upstream is not None
        base_url, headers = upstream
        try:
            fetched = await self.environment.fetcher.fetch(
                f"{base_url}/__platform/analytics?window={window}&top={constants.TOP_MAX}",
                method="GET",
                headers=headers,
                body=None,
                timeout_ms=constants.UPSTREAM_TIMEOUT_MS,
                body_bytes_max=constants.UPSTREAM_BODY_BYTES_MAX,
            )
        except FetchFailed as error:
            raise UpstreamFailed(UNREACHABLE, f"{base_url}: {error}") from error
        if fetched.status != HTTPStatus.OK:
            raise UpstreamFailed(HTTP_ERROR, f"{base_url}: status {fetched.status}")
        try:
            # Each unusable number is replaced by itself (`sanitize`).
            document = read_json(fetched.body, is_finite=False)
        except ValueError as error:
            raise UpstreamFailed(HTTP_ERROR, f"{base_url}: invalid JSON") from error
        snapshot = document.get("snapshot") if isinstance(document, dict) else None
        if not is_snapshot(snapshot, window):
            raise UpstreamFailed(HTTP_ERROR, f"{base_url}: no snapshot of {window}")
        return snapshot


def source_of(environment: Environment, analytics: Analytics) -> Source:
    """Return the other dispatcher if `ANALYTICS_BASE_URL` names one, else this Worker."""
    if environment.setting(_UPSTREAM_URL_SETTING) is None:
        return LocalSource(analytics)
    return RemoteSource(environment)


def upstream_of(environment: Environment) -> tuple[str, Mapping[str, str]] | None:
    """Return the other dispatcher's URL, without a final slash, and the request headers.

    None if no dispatcher is configured. Raises `ConfigurationError` for an unusable token,
    and for a URL that would expose it: plain HTTP is only for loopback addresses.
    """
    text = environment.setting(_UPSTREAM_URL_SETTING)
    return None if text is None else (_base_url(text.strip().rstrip("/")), _headers(environment))


def _base_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        raise _unusable_url() from None
    is_private = parts.scheme == "https" or (
        parts.scheme == "http" and _LOOPBACK.fullmatch(host) is not None
    )
    if not is_private or not host or "@" in parts.netloc or "?" in text or "#" in text:
        raise _unusable_url()
    return text


def _unusable_url() -> ConfigurationError:
    return ConfigurationError(
        _UPSTREAM_URL_SETTING,
        "It must be the URL of another dispatcher, such as https://dispatch.example: https,"
        " without a user, a query or a fragment.",
    )


def _headers(environment: Environment) -> Mapping[str, str]:
    token = environment.setting(_UPSTREAM_TOKEN_SETTING)
    if token is None:
        return {"accept": "application/json"}
    # Otherwise the runtime rejects the header with an error that quotes the token.
    if not _TOKEN.fullmatch(token.strip()):
        raise ConfigurationError(
            _UPSTREAM_TOKEN_SETTING, "It must be printable ASCII without spaces."
        )
    return {"accept": "application/json", "authorization": f"Bearer {token.strip()}"}
