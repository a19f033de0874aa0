"""Sources of the public page's data: this Worker's analytics and records, or another dispatcher's.

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

from analytics import WINDOWS, Analytics
from api.explore.catalog import Catalog, ListedApi, catalog_of, listed_api, listed_entry
from api.explore.routes import EXPLORE
from api.explore.sanitize import as_object, is_snapshot
from core import constants, keys
from core.errors import (
    BindingMissing,
    ConfigurationError,
    FetchFailed,
    ShardUnavailable,
    StoreUnavailable,
)
from core.ports import Clock, Environment, Json
from core.safe_json import read_json
from tenants.catalog import APIS_MAX, SharedCatalog
from tenants.directory import TenantDirectory

UNREACHABLE = "upstream_unreachable"
"""No complete response in time, or no address to send the request to."""

HTTP_ERROR = "upstream_http_error"
"""A response that is no snapshot."""

_UPSTREAM_URL_SETTING = "ANALYTICS_BASE_URL"
_UPSTREAM_TOKEN_SETTING = "ANALYTICS_TOKEN"  # noqa: S105
_LOOPBACK = re.compile(r"localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1", re.ASCII)
_DEMO_SECONDS = 600
"""How often an isolate asks whether there is generated history."""

_UPSTREAM_ROWS = 500
"""Rows of one request for another dispatcher's catalog, about 500 kB."""

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

    @property
    def url(self) -> str:
        """The address below which the APIs are called; empty for that of the request."""
        ...

    async def snapshot(self, window: str) -> Json:
        """Return the snapshot of `window`, not sanitized. Raises `UpstreamFailed`."""
        ...

    async def catalog(self) -> Catalog:
        """Return the live APIs. Raises `UpstreamFailed`."""
        ...

    async def demo_history(self) -> Mapping[str, Json] | None:
        """Return the time of generated history in the totals; None if there is none."""
        ...


class LocalSource:
    """This Worker's own analytics, and the records of its directory, None if it has none."""

    name = "self"
    url = ""

    def __init__(
        self, clock: Clock, analytics: Analytics, directory: TenantDirectory | None
    ) -> None:
        """Prepare to read the catalog."""
        self.clock = clock
        self.analytics = analytics
        self._shared = SharedCatalog(clock, directory, analytics.shards, listed_entry)
        self._apis: Mapping[str, ListedApi] | None = None
        self._catalog: Catalog | None = None
        self._demo: Mapping[str, Json] | None = None
        self._demo_due_ms = 0

    async def snapshot(self, window: str) -> Json:
        """Return the snapshot of a window or a range. Raises `UpstreamFailed`."""
        try:
            if window not in WINDOWS:
                return await self._range(window)
            snapshots = await self.analytics.snapshots((window,), constants.TOP_MAX)
        except (BindingMissing, ShardUnavailable, StoreUnavailable) as error:
            raise UpstreamFailed(UNREACHABLE, f"analytics cannot be read: {error}") from error
        return snapshots[window]

    async def _range(self, name: str) -> Json:
        # Imported here because few visitors look at other ranges.
        from api.explore.ranges import range_snapshot  # noqa: PLC0415
        from snapshots.usage_ranges import RangeTooLarge  # noqa: PLC0415

        try:
            return await range_snapshot(self.analytics, name, self.clock.now_ms())
        except RangeTooLarge as error:
            raise UpstreamFailed(UNREACHABLE, f"the range {name} is too large: {error}") from error

    async def demo_history(self) -> Mapping[str, Json] | None:
        """Return what `make demo HISTORY=` noted in KV; it is read seldom."""
        now_ms, store = self.clock.now_ms(), self.analytics.store
        if store is not None and now_ms >= self._demo_due_ms:
            self._demo_due_ms = now_ms + _DEMO_SECONDS * 1000
            try:
                text = (await store.get_many([keys.DEMO_HISTORY]))[keys.DEMO_HISTORY]
                found = as_object(read_json(text or "{}"))
            except (StoreUnavailable, ValueError):
                return self._demo
            self._demo = {name: found.get(name) for name in ("from", "to")} if found else None
        return self._demo

    async def catalog(self) -> Catalog:
        """Return the APIs of the directory. Raises `UpstreamFailed` if it cannot be read."""
        try:
            apis = await self._shared.read()
        except (ConfigurationError, StoreUnavailable) as error:
            raise UpstreamFailed(UNREACHABLE, f"the directory cannot be read: {error}") from error
        now_ms = self.clock.now_ms()
        if self._catalog is None or apis is not self._apis:
            self._apis, self._catalog = apis, catalog_of(apis.values(), now_ms)
        return self._catalog._replace(made_ms=now_ms)


@dataclass(frozen=True, slots=True)
class RemoteSource:
    """The platform API of another dispatcher, at `ANALYTICS_BASE_URL`, and its public page's data.

    An older dispatcher has no catalog.
    """

    clock: Clock
    environment: Environment
    name: str = "upstream"

    @property
    def url(self) -> str:
        """Its address; empty if the setting is unusable."""
        try:
            upstream = upstream_of(self.environment)
        except ConfigurationError:
            return ""
        assert upstream is not None
        return upstream[0]

    async def snapshot(self, window: str) -> Json:
        """Request the snapshot of a window or a range. Raises `UpstreamFailed`."""
        path = f"/__platform/analytics?window={window}&top={constants.TOP_MAX}"
        if window not in WINDOWS:
            path = f"{EXPLORE.path}?range={window}"
        snapshot = as_object(await self._request(path)).get("snapshot")
        if not is_snapshot(snapshot, window):
            raise UpstreamFailed(HTTP_ERROR, f"{self.url}: no snapshot of {window}")
        return snapshot

    async def catalog(self) -> Catalog:
        """Request the list of the other dispatcher's page. Raises `UpstreamFailed`."""
        rows: list[Json] = []
        offset: Json = 0
        while offset == len(rows) < APIS_MAX:
            query = f"limit={_UPSTREAM_ROWS}&offset={offset}"
            document = await self._request(f"{EXPLORE.path}?{query}")
            snapshot = as_object(as_object(document).get("snapshot"))
            page = snapshot.get("allApis")
            if not isinstance(snapshot.get("catalog"), dict) or not isinstance(page, list):
                return Catalog(self.clock.now_ms(), is_known=False)
            rows += page
            offset = as_object(snapshot.get("apis")).get("next")
        live = (row for row in rows if as_object(row).get("withdrawn") is False)
        apis = (api for api in map(listed_api, live) if api is not None)
        return catalog_of(apis, self.clock.now_ms())

    async def demo_history(self) -> None:
        """Return None: it is not known of another dispatcher."""

    async def _request(self, path: str) -> Json:
        """Return the other dispatcher's response to a request for `path`."""
        try:
            upstream = upstream_of(self.environment)
        except ConfigurationError as error:
            raise UpstreamFailed(UNREACHABLE, error.message) from error
        assert upstream is not None
        base_url, headers = upstream
        try:
            fetched = await self.environment.fetcher.fetch(
                base_url + path,
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
            return read_json(fetched.body, is_finite=False)
        except ValueError as error:
            raise UpstreamFailed(HTTP_ERROR, f"{base_url}: invalid JSON") from error


def source_of(
    environment: Environment,
    clock: Clock,
    analytics: Analytics,
    directory: TenantDirectory | None,
) -> Source:
    """Return the other dispatcher if `ANALYTICS_BASE_URL` names one, else this Worker."""
    if environment.setting(_UPSTREAM_URL_SETTING) is None:
        return LocalSource(clock, analytics, directory)
    return RemoteSource(clock, environment)


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
