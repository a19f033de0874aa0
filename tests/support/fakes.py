"""The ports of `core.ports`, implemented in memory for tests: KV, clock, namespace, requests.

Tests can make them fail as the real ones do.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.doctor.outgoing import HostSigner
from core.constants import KV_BULK_GET_KEYS_MAX, KV_LIST_KEYS_MAX, ScriptLimits
from core.errors import ReadTooLarge, StoreUnavailable, TenantError
from core.ports import Json, KeyPage, ListedKey, NamePage, Request, Signer
from gateway.urls import parse_url
from tests.support.fake_counters import FakeQuotaCounters, FakeRateCounter, fake_rate_counters
from tests.support.fake_network import FakeDatabase, FakeFetcher
from tests.support.fake_shards import FakeShards

NOON_MS = 1_795_348_800_000
"""2026-11-22T12:00Z, a Sunday."""


@dataclass
class FakeClock:
    """A clock that advances only when a test sets it, or by `sleep_ms`."""

    at_ms: int = NOON_MS

    def now_ms(self) -> int:
        return self.at_ms

    async def sleep_ms(self, duration_ms: int) -> None:
        self.at_ms += duration_ms
        await asyncio.sleep(0)


@dataclass
class FakeStore:
    """A KV namespace in memory.

    The next `failing_puts` puts fail; with `puts_take_effect_anyway` they write nevertheless, as
    a put that times out may. `unlisted` keys exist, but listings do not show them yet. Nothing
    expires; `lifetimes_seconds` has each key's lifetime.
    """

    values: dict[str, tuple[str, Json]] = field(default_factory=dict)
    failing_puts: int = 0
    puts_take_effect_anyway: bool = False
    unavailable: bool = False
    unlisted: set[str] = field(default_factory=set)
    lifetimes_seconds: dict[str, int | None] = field(default_factory=dict)
    operations: list[str] = field(default_factory=list)

    async def put(
        self,
        key: str,
        value: str,
        metadata: Mapping[str, Json],
        expiration_ttl_seconds: int | None = None,
    ) -> None:
        assert expiration_ttl_seconds is None or expiration_ttl_seconds >= 60
        self.operations.append("put")
        _limit(_is_invalid_key(key), f"key {key[:20]!r} is not allowed")
        size = len(json.dumps(metadata, separators=(",", ":"), ensure_ascii=False).encode())
        _limit(size > 1_024, f"metadata of {size} bytes, limit 1024")
        _limit(_is_too_long([value]), "value too long, limit 25 MiB")
        await asyncio.sleep(0)
        fails = self.unavailable or self.failing_puts > 0
        if not fails or self.puts_take_effect_anyway:
            self.values[key] = (value, dict(metadata))
            self.lifetimes_seconds[key] = expiration_ttl_seconds
        if fails:
            self.failing_puts -= 1
            raise StoreUnavailable("KV PUT failed: 429 Too Many Requests")

    async def delete(self, key: str) -> None:
        self.operations.append("delete")
        await self._respond()
        self.values.pop(key, None)

    async def list_page(
        self, prefix: str, cursor: str | None, limit: int = KV_LIST_KEYS_MAX
    ) -> KeyPage:
        self.operations.append("list")
        _limit(len(prefix.encode()) > 512, "prefix too long, limit 512")
        await self._respond()
        names = [
            name
            for name in sorted(self.values)
            if name.startswith(prefix) and name > (cursor or "")
        ]
        names = [name for name in names if name not in self.unlisted]
        page = names[: min(limit, KV_LIST_KEYS_MAX)]
        listed = [ListedKey(name, self.values[name][1]) for name in page]
        return KeyPage(listed, page[-1] if len(names) > len(page) else None)

    async def list_names(
        self, prefix: str, cursor: str | None, limit: int = KV_LIST_KEYS_MAX
    ) -> NamePage:
        page = await self.list_page(prefix, cursor, limit)
        return NamePage([key.name for key in page.keys], page.cursor)

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, str | None]:
        self.operations.append("get")
        _limit(not 0 < len(keys) <= KV_BULK_GET_KEYS_MAX, f"bulk get of {len(keys)} keys")
        _limit(any(map(_is_invalid_key, keys)), "a key is not allowed")
        await self._respond()
        found = {key: self.values[key][0] if key in self.values else None for key in keys}
        if _is_too_long([value or "" for value in found.values()]):
            raise ReadTooLarge("KV failed: 413, bulk get beyond 25 MiB")
        return found

    async def _respond(self) -> None:
        await asyncio.sleep(0)
        if self.unavailable:
            raise StoreUnavailable("KV GET failed: 503 Service Unavailable")


def _is_invalid_key(key: str) -> bool:
    return key in ("", ".", "..") or len(key.encode()) > 512


def _is_too_long(values: Sequence[str]) -> bool:
    limit = 25 * 1024 * 1024
    # A character has at most four bytes, so most texts need not be encoded.
    if 4 * sum(map(len, values)) <= limit:
        return False
    return sum(len(value.encode()) for value in values) > limit


def _limit(is_exceeded: bool, message: str) -> None:
    if is_exceeded:
        raise StoreUnavailable(f"KV failed: {message}")


@dataclass
class FakeRequest:
    """A request; header names are in lower case."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    async def text(self) -> str:
        return self.body


@dataclass
class FakeUpstreamResponse:
    """A response of a tenant's script."""

    status: int = 200
    header_names: Sequence[str] = ("content-type",)
    values: Mapping[str, str] = field(default_factory=dict)
    is_discarded: bool = False
    has_client: bool = True

    def header(self, name: str) -> str | None:
        return self.values.get(name)

    async def discard(self) -> None:
        self.is_discarded = True


@dataclass
class Sent:
    """A request that a namespace received."""

    script: str
    limits: ScriptLimits
    request: Request
    url: str | None
    remove_headers: Sequence[str]
    prefix: str


@dataclass
class FakeNamespace:
    """A dispatch namespace in which every script returns or raises `response`."""

    response: FakeUpstreamResponse | Exception = field(default_factory=FakeUpstreamResponse)
    clock: FakeClock | None = None
    latency_ms: int = 0
    sent: list[Sent] = field(default_factory=list)

    async def fetch(
        self,
        script: str,
        limits: ScriptLimits,
        request: Request,
        url: str | None,
        remove_headers: Sequence[str],
        prefix: str = "",
    ) -> FakeUpstreamResponse:
        self.sent.append(Sent(script, limits, request, url, remove_headers, prefix))
        if self.clock is not None:
            await self.clock.sleep_ms(self.latency_ms)
        if isinstance(self.response, Exception):
            raise self.response
        return self.response


@dataclass
class FakeAssets:
    """Static files at `paths`; the ETag of each is its path."""

    paths: tuple[str, ...] = ("/explore",)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    response: FakeUpstreamResponse | None = None

    async def fetch(self, url: str, method: str, if_none_match: str | None) -> FakeUpstreamResponse:
        self.requests.append((url, method, if_none_match))
        path = parse_url(url).path
        tag = f'"{path}"'
        status = 404 if path not in self.paths else 304 if if_none_match == tag else 200
        self.response = FakeUpstreamResponse(status, values={"etag": tag})
        return self.response


@dataclass
class FakeEnvironment:
    """Bindings and settings; the shards have the same store."""

    usage_store: FakeStore | None = field(default_factory=FakeStore)
    usage_shards: FakeShards | None = field(
        default_factory=lambda: FakeShards(FakeStore(), FakeClock())
    )
    tenant_store: FakeStore | None = None
    namespace: FakeNamespace | None = field(default_factory=FakeNamespace)
    assets: FakeAssets | None = field(default_factory=FakeAssets)
    control_database: FakeDatabase | None = None
    fetcher: FakeFetcher = field(default_factory=FakeFetcher)
    signer: Signer = field(default_factory=HostSigner)
    settings: dict[str, str] = field(default_factory=dict)
    quota_counters: FakeQuotaCounters | None = field(default_factory=FakeQuotaCounters)
    rate_counters: dict[str, FakeRateCounter] = field(
        default_factory=lambda: fake_rate_counters(10, 60)
    )
    kv_counters: dict[tuple[str, str, bool], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.usage_shards is not None and self.usage_store is not None:
            self.usage_shards.store = self.usage_store

    def setting(self, name: str) -> str | None:
        return self.settings.get(name) or None

    def rate_counter(self, name: str) -> FakeRateCounter | None:
        return self.rate_counters.get(name)


@dataclass
class FakeBackground:
    """Collects work for after the response; `finish` runs it."""

    work: list[Coroutine[Any, Any, None]] = field(default_factory=list)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.work.append(work)

    async def finish(self) -> None:
        try:
            while self.work:
                await self.work.pop(0)
        finally:
            for work in self.work:
                work.close()
            self.work.clear()


def tenant_error(kind: type[TenantError]) -> TenantError:
    """Make the error that `runtime.http` raises for an exception of a script."""
    return kind("The API's script failed.")
