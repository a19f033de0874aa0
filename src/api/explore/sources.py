"""Where the public page's figures come from: this Worker's own log, or another dispatcher.

Owns asking either, and telling apart what can go wrong with it. The token for
the other dispatcher goes to its address and nowhere else: redirects are not
followed, and neither answers nor the log repeat it.

    UpstreamFailed              there are no figures; `code` is what the page is told
        upstream_unreachable        no whole answer in time, or no address to ask
        upstream_http_error         an answer that is no snapshot
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
from core.errors import ConfigurationError, FetchFailed, StoreUnavailable
from core.ports import Background, Environment, Json
from core.safe_json import read_json

ADDRESS_SETTING = "ANALYTICS_BASE_URL"
TOKEN_SETTING = "ANALYTICS_TOKEN"  # noqa: S105
UNREACHABLE = "upstream_unreachable"
HTTP_ERROR = "upstream_http_error"
_LOOPBACK = re.compile(r"localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1", re.ASCII)
_TOKEN = re.compile(r"[!-~]+", re.ASCII)


class UpstreamFailed(Exception):
    """There are no figures at the moment; the message is for the log alone."""

    def __init__(self, code: str, message: str) -> None:
        """Take what the page is told, and what operators are."""
        super().__init__(message)
        self.code = code


class Source(Protocol):
    """Somewhere to get snapshots from."""

    @property
    def name(self) -> str:
        """What the page is told about it: `self` or `upstream`."""
        ...

    async def snapshot(self, window: str, background: Background) -> Json:
        """Get what is said to be the snapshot of `window`. Raises `UpstreamFailed`."""
        ...


@dataclass(frozen=True, slots=True)
class LocalSource:
    """This Worker's own log, through the reader that the platform API has too."""

    environment: Environment
    reader: Analytics
    name: str = "self"

    async def snapshot(self, window: str, background: Background) -> Json:
        """Read the snapshot of `window`. Raises `UpstreamFailed`."""
        store = self.environment.usage_store
        if store is None:
            raise UpstreamFailed(UNREACHABLE, "the binding USAGE_KV is not configured")
        try:
            found = await self.reader.snapshots(store, (window,), constants.TOP_MAX, background)
        except StoreUnavailable as error:
            raise UpstreamFailed(UNREACHABLE, f"USAGE_KV cannot be read: {error}") from error
        return found[window]


@dataclass(frozen=True, slots=True)
class RemoteSource:
    """Another dispatcher's platform API, at the address that the deployment names."""

    environment: Environment
    name: str = "upstream"

    async def snapshot(self, window: str, _: Background) -> Json:
        """Ask for the snapshot of `window`. Raises `UpstreamFailed`."""
        try:
            settings = upstream_of(self.environment)
        except ConfigurationError as error:
            raise UpstreamFailed(UNREACHABLE, error.message) from error
        assert settings is not None
        address, headers = settings
        try:
            fetched = await self.environment.fetcher.fetch(
                f"{address}/__platform/analytics?window={window}&top={constants.TOP_MAX}",
                method="GET",
                headers=headers,
                body=None,
                timeout_ms=constants.UPSTREAM_TIMEOUT_MS,
                body_bytes_max=constants.UPSTREAM_BODY_BYTES_MAX,
            )
        except FetchFailed as error:
            raise UpstreamFailed(UNREACHABLE, f"{address}: {error}") from error
        if fetched.status != HTTPStatus.OK:
            raise UpstreamFailed(HTTP_ERROR, f"{address}: status {fetched.status}")
        try:
            document = read_json(fetched.body)
        except ValueError as error:
            raise UpstreamFailed(HTTP_ERROR, f"{address}: no JSON") from error
        found = document.get("snapshot") if isinstance(document, dict) else None
        if not is_snapshot(found, window):
            raise UpstreamFailed(HTTP_ERROR, f"{address}: no snapshot of {window}")
        return found


def source_of(environment: Environment, reader: Analytics) -> Source:
    """Choose where figures come from: another dispatcher if the deployment names one."""
    if environment.setting(ADDRESS_SETTING) is None:
        return LocalSource(environment, reader)
    return RemoteSource(environment)


def upstream_of(environment: Environment) -> tuple[str, Mapping[str, str]] | None:
    """Read the other dispatcher's address, without a final slash, and what to send there.

    None where none is named. Raises `ConfigurationError` for an address that
    would show the token to others, and for a token that is none: only loopback
    addresses may be plain HTTP.
    """
    text = environment.setting(ADDRESS_SETTING)
    return None if text is None else (_address(text.strip().rstrip("/")), _headers(environment))


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        raise _unusable_address() from None
    is_private = parts.scheme == "https" or (
        parts.scheme == "http" and _LOOPBACK.fullmatch(host) is not None
    )
    if not is_private or not host or "@" in parts.netloc or "?" in text or "#" in text:
        raise _unusable_address()
    return text


def _unusable_address() -> ConfigurationError:
    return ConfigurationError(
        ADDRESS_SETTING,
        "It must be the address of another dispatcher, such as https://dispatch.example:"
        " https, without a user, a query or a fragment.",
    )


def _headers(environment: Environment) -> Mapping[str, str]:
    token = environment.setting(TOKEN_SETTING)
    if token is None:
        return {"accept": "application/json"}
    # A header cannot hold anything else, and the runtime's own error would repeat it.
    if not _TOKEN.fullmatch(token.strip()):
        raise ConfigurationError(TOKEN_SETTING, "It must be printable ASCII without spaces.")
    return {"accept": "application/json", "authorization": f"Bearer {token.strip()}"}
