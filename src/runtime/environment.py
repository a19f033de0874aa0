"""The Worker's environment: bindings, settings, the clock, background work, the log's output."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import js
from workers import import_from_javascript

from core.kv_store import KvCounters, MeteredStore
from runtime.coroutine_driver import JsPromise, start
from runtime.counters import RuntimeQuotaCounters, RuntimeRateCounter
from runtime.d1 import RuntimeDatabase
from runtime.http import RuntimeFetcher, RuntimeNamespace, RuntimeSigner, RuntimeUpstreamResponse
from runtime.kv import RuntimeStore, js_object
from runtime.shards import RuntimeUsageShards

PROXY_SETTING = "DRAIN_UPLOADS"
"""Set where the proxy of `wrangler dev` is in front of the Worker."""

_bridge = import_from_javascript("runtime/bridge.js")
_sleep, _background = _bridge.sleep, _bridge.background
_now = js.Date.now


class RuntimeClock:
    """`Date.now`, which advances only at input and output."""

    def now_ms(self) -> int:
        """Return the milliseconds since 1970-01-01T00:00Z."""
        # Each read of Python's clock advances it here, which would add to measured latencies.
        return int(_now())

    async def sleep_ms(self, duration_ms: int) -> None:
        """Return after `duration_ms` milliseconds."""
        await JsPromise(_sleep(duration_ms))


class RuntimeAssets:
    """The binding of static files."""

    def __init__(self, binding: Any) -> None:
        """Take the raw binding."""
        self._binding = binding

    async def fetch(
        self, url: str, method: str, if_none_match: str | None
    ) -> RuntimeUpstreamResponse:
        """Fetch one file; see `ports.Assets`."""
        # No other header of the request may be sent, above all no credentials.
        headers = {} if if_none_match is None else {"if-none-match": if_none_match}
        init = {"method": method, "headers": headers, "redirect": "manual"}
        return RuntimeUpstreamResponse(await self._binding.fetch(url, js_object(init)))


class RuntimeEnvironment:
    """The Worker's `env`; bindings and settings are constant in an isolate."""

    def __init__(self, raw: Any) -> None:
        """Take the raw `env`, without the SDK's wrapper around it."""
        self._raw = raw
        self._settings: dict[str, str | None] = {}
        self.kv_counters: KvCounters = {}
        self.usage_store = self._store("USAGE_KV")
        self.tenant_store = self._store("TENANT_KV")
        dispatcher = getattr(raw, "DISPATCHER", None)
        is_proxied = self.setting(PROXY_SETTING) is not None
        self.namespace = (
            None if dispatcher is None else RuntimeNamespace(dispatcher, is_proxied=is_proxied)
        )
        assets = getattr(raw, "ASSETS", None)
        self.assets = None if assets is None else RuntimeAssets(assets)
        control = getattr(raw, "CONTROL_DB", None)
        self.control_database = RuntimeDatabase(control) if control else None
        counters = getattr(raw, "QUOTAS", None)
        self.quota_counters = RuntimeQuotaCounters(counters) if counters else None
        shards = getattr(raw, "USAGE_SHARD", None)
        setting = self.setting("USAGE_SHARDS")
        self.usage_shards = RuntimeUsageShards(shards, setting) if shards else None
        self.fetcher = RuntimeFetcher()
        self.signer = RuntimeSigner()

    def rate_counter(self, name: str) -> RuntimeRateCounter | None:
        """Return the rate-limit binding `name`, None if it is missing."""
        binding = getattr(self._raw, name, None)
        return RuntimeRateCounter(binding) if binding else None

    def setting(self, name: str) -> str | None:
        """Return the variable or secret `name`, None if it is missing or empty."""
        if name not in self._settings:
            value = getattr(self._raw, name, None)
            # A JSON variable arrives as an object; callers expect its text.
            if value is not None and not isinstance(value, str):
                value = js.JSON.stringify(value)
            self._settings[name] = value or None
        return self._settings[name]

    def _store(self, name: str) -> MeteredStore | None:
        binding = getattr(self._raw, name, None)
        if binding is None:
            return None
        return MeteredStore(RuntimeStore(binding), name, self.kv_counters)


class RuntimeBackground:
    """`ctx.waitUntil` of one request."""

    def __init__(self, context: Any) -> None:
        """Take the request's execution context."""
        self._context = context

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Start `work` soon, not at once; the runtime cancels it 30 s after the response."""
        start(_run(work, _background(self._context)))


async def _run(work: Coroutine[Any, Any, None], extension: Any) -> None:
    try:
        await JsPromise(extension)
        await work
    finally:
        extension.end()


def write_log(level: str, line: str) -> None:
    """Write one line of the log, with the console method of its level, which Cloudflare shows."""
    methods = {"info": js.console.log, "warning": js.console.warn}
    methods.get(level, js.console.error)(line)


def writer_id() -> str:
    """Return a unique name for this isolate: 64 random bits in hexadecimal."""
    return str(js.crypto.randomUUID()).replace("-", "")[:16]
