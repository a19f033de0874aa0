"""The Workers runtime: implements the ports on top of workerd's JavaScript objects.

With the modules `runtime_*` the only one that imports `js` and `pyodide`; JavaScript's
objects are `Any` here. Owns the clock, the bindings and work after the answer. Refuses to
decide anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import js

from core.kv_store import KvCounters, MeteredStore
from runtime.counters import RuntimeQuotaCounters, RuntimeRateCounter
from runtime.d1 import RuntimeDatabase
from runtime.http import RuntimeFetcher, RuntimeNamespace, RuntimeReply
from runtime.kv import RuntimeStore, js_object

_now = js.Date.now
_running: set[asyncio.Future[None]] = set()
"""Work after answers; asyncio itself holds it by a weak reference only."""


class RuntimeClock:
    """`Date.now`, which stands still between two operations of input or output."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00Z."""
        # Python's own clock is made to advance at each look, which would show in latencies.
        return int(_now())

    async def sleep_ms(self, duration_ms: int) -> None:
        """Return after `duration_ms` milliseconds."""
        await asyncio.sleep(duration_ms / 1000)


class RuntimeAssets:
    """The binding of static files."""

    def __init__(self, binding: Any) -> None:
        """Take the raw binding."""
        self._binding = binding

    async def fetch(self, url: str, method: str, if_none_match: str | None) -> RuntimeReply:
        """Give one file; see `ports.Assets`."""
        # Nothing else of the request concerns a file, its credentials least of all.
        headers = {} if if_none_match is None else {"if-none-match": if_none_match}
        init = {"method": method, "headers": headers, "redirect": "manual"}
        return RuntimeReply(await self._binding.fetch(url, js_object(init)))


class RuntimeEnvironment:
    """The Worker's `env`; bindings and settings do not change while an isolate lives."""

    def __init__(self, raw: Any) -> None:
        """Take the raw `env`, without the SDK's wrapper around it."""
        self._raw = raw
        self._settings: dict[str, str | None] = {}
        self.kv_counters: KvCounters = {}
        self.usage_store = self._store("USAGE_KV")
        self.tenant_store = self._store("TENANT_KV")
        dispatcher = getattr(raw, "DISPATCHER", None)
        self.namespace = None if dispatcher is None else RuntimeNamespace(dispatcher)
        assets = getattr(raw, "ASSETS", None)
        self.assets = None if assets is None else RuntimeAssets(assets)
        control = getattr(raw, "CONTROL_DB", None)
        self.control_database = RuntimeDatabase(control) if control else None
        counters = getattr(raw, "QUOTAS", None)
        self.quota_counters = RuntimeQuotaCounters(counters) if counters else None
        self.fetcher = RuntimeFetcher()

    def rate_counter(self, name: str) -> RuntimeRateCounter | None:
        """The rate-limit binding `name`, None when it is missing."""
        binding = getattr(self._raw, name, None)
        return RuntimeRateCounter(binding) if binding else None

    def setting(self, name: str) -> str | None:
        """The variable or secret `name`, None when it is missing or empty."""
        if name not in self._settings:
            value = getattr(self._raw, name, None)
            # A JSON variable arrives as an object and is wanted as the text it was.
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
        """Start `work`; the runtime ends it 30 s after the response at the latest."""
        done = js.Promise.withResolvers()
        self._context.waitUntil(done.promise)
        task = asyncio.ensure_future(work)
        _running.add(task)

        def end(_: asyncio.Future[None]) -> None:
            _running.discard(task)
            done.resolve()

        task.add_done_callback(end)


def write_log(level: str, line: str) -> None:
    """Write one line of the log; the console's method says its level to Cloudflare, too."""
    methods = {"info": js.console.log, "warning": js.console.warn}
    methods.get(level, js.console.error)(line)


def writer_id() -> str:
    """Make a name for this isolate that no other ever has: 64 random bits."""
    return str(js.crypto.randomUUID()).replace("-", "")[:16]
