"""The Workers runtime: implements the ports on top of workerd's JavaScript objects.

With the modules `runtime_*` the only one that imports `js` and `pyodide`. Owns the
crossings into JavaScript, whose objects are `Any` here, and keeps them few: a
header list crosses once, as JSON. Refuses to decide anything.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import js
from pyodide.ffi import JsException, jsnull

from errors import (
    TenantError,
    TenantLimitExceeded,
    TenantWorkerFailure,
    WorkerNotFound,
)
from limits import ScriptLimits
from ports import Answer, Relay, Request
from runtime_limits import RuntimeQuotaCounters, RuntimeRateCounter
from runtime_outward import RuntimeDatabase, RuntimeFetcher
from runtime_store import RuntimeStore, js_object
from tallies import KvTally, TalliedStore

Result = TypeVar("Result")

_LIMIT_MESSAGES = ("exceeded cpu", "too many subrequests", "exceeded resource limits")


class RuntimeClock:
    """`Date.now`, which stands still between two operations of input or output."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00Z."""
        # Python's own clock is made to advance at each look, which would show in latencies.
        return int(js.Date.now())

    async def sleep_ms(self, duration_ms: int) -> None:
        """Return after `duration_ms` milliseconds."""
        await asyncio.sleep(duration_ms / 1000)


class RuntimeRequest:
    """A request as workerd hands it over."""

    def __init__(self, raw: Any) -> None:
        """Take the JavaScript `Request`."""
        self.raw = raw
        self.method: str = raw.method
        self.url: str = raw.url
        self._headers: Mapping[str, str] | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers by lower-case name; repeated ones joined by a comma."""
        if self._headers is None:
            self._headers = dict(_header_pairs(self.raw.headers))
        return self._headers


class RuntimeReply:
    """What a tenant's script answered."""

    def __init__(self, raw: Any) -> None:
        """Take the JavaScript `Response`."""
        self.raw = raw
        self.status: int = raw.status

    @property
    def header_names(self) -> Sequence[str]:
        """The names of its headers, lower case."""
        return [name for name, _ in _header_pairs(self.raw.headers)]

    def header(self, name: str) -> str | None:
        """The value of one header, None when it is not there."""
        return self.raw.headers.get(name) or None

    async def discard(self) -> None:
        """Drop its body, or its connection, which nobody is to have."""
        with suppress(JsException):
            if self.raw.webSocket:
                self.raw.webSocket.accept()
                self.raw.webSocket.close()
            elif self.raw.body:
                await self.raw.body.cancel()


class RuntimeNamespace:
    """A dispatch namespace of Workers for Platforms."""

    def __init__(self, binding: Any) -> None:
        """Take the raw binding."""
        self._binding = binding
        self._no_arguments = js_object({})
        self._options: dict[ScriptLimits, Any] = {}

    async def fetch(
        self,
        script: str,
        limits: ScriptLimits,
        request: Request,
        url: str | None,
        remove_headers: Sequence[str],
    ) -> RuntimeReply:
        """Let `script` answer; see `ports.Namespace`."""
        options = self._options.get(limits)
        if options is None:
            bounds = {"cpuMs": limits.cpu_ms, "subRequests": limits.sub_requests}
            options = self._options[limits] = js_object({"limits": bounds})
        try:
            assert isinstance(request, RuntimeRequest)
            outgoing = request.raw
            if url is not None:
                outgoing = js.Request.new(url, outgoing)
            elif remove_headers:
                outgoing = js.Request.new(outgoing)
            for name in remove_headers:
                outgoing.headers.delete(name)
            fetcher = self._binding.get(script, self._no_arguments, options)
            return RuntimeReply(await fetcher.fetch(outgoing))
        except JsException as error:
            raise _tenant_error(script, error) from error


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
        self.kv_tally: KvTally = {}
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

    def _store(self, name: str) -> TalliedStore | None:
        binding = getattr(self._raw, name, None)
        if binding is None:
            return None
        return TalliedStore(RuntimeStore(binding), name, self.kv_tally)


class RuntimeBackground:
    """`ctx.waitUntil` of one request."""

    def __init__(self, context: Any) -> None:
        """Take the request's execution context."""
        self._context = context

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Start `work`; the runtime ends it 30 s after the response at the latest."""
        self._context.waitUntil(asyncio.ensure_future(work))

    async def see_through(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do `work` to its end, even when the client goes away meanwhile.

        Without this, workerd drops a request together with its client, and
        what the tenant did would not be recorded.
        """
        # A promise of JavaScript's own: a task of asyncio's costs twenty times as much.
        done = js.Promise.withResolvers()
        self._context.waitUntil(done.promise)
        try:
            return await work
        finally:
            done.resolve()


async def drain_upload(request: RuntimeRequest) -> None:
    """Read the rest of an upload that was passed on to nobody, for `make dev` alone.

    wrangler's development proxy loses the answer to an unread upload, unless
    the Worker is JavaScript (cloudflare/workers-sdk#15203). Cloudflare's edge
    does not, so the launcher asks for this by the setting `DRAIN_UPLOADS`.
    """
    raw = request.raw
    if raw.body and not raw.bodyUsed:
        # A client that leaves half-way ends this as well.
        with suppress(JsException):
            await raw.body.pipeTo(js.WritableStream.new())


def write_log(level: str, line: str) -> None:
    """Write one line of the log; the console's method says its level to Cloudflare, too."""
    methods = {"info": js.console.log, "warning": js.console.warn}
    methods.get(level, js.console.error)(line)


def writer_id() -> str:
    """Make a name for this isolate that no other ever has: 64 random bits."""
    return str(js.crypto.randomUUID()).replace("-", "")[:16]


def response(answer: Answer | Relay) -> Any:
    """Make the JavaScript `Response`; a tenant's body is passed on, never read."""
    if isinstance(answer, Answer):
        init = {"status": answer.status, "headers": answer.headers}
        return js.Response.new(answer.body or jsnull, js_object(init))
    assert isinstance(answer.reply, RuntimeReply)
    raw = answer.reply.raw
    relayed = js.Response.new(raw.body, raw)
    headers = relayed.headers
    for name in answer.remove_headers:
        headers.delete(name)
    for name, value in answer.set_headers:
        headers.set(name, value)
    for name, value in answer.add_headers:
        headers.append(name, value)
    return relayed


def _header_pairs(headers: Any) -> list[list[str]]:
    pairs: list[list[str]] = json.loads(js.JSON.stringify(js.Array.from_(headers)))
    return pairs


def _tenant_error(script: str, error: JsException) -> TenantError:
    """Tell from an exception's text what went wrong; its text goes no further than the log."""
    text = str(error.message)
    if text.startswith("Worker not found"):
        return WorkerNotFound(f"The script {script!r} of this API is not in the namespace.")
    if any(part in text.lower() for part in _LIMIT_MESSAGES):
        return TenantLimitExceeded("The API went past the limits of its plan.")
    return TenantWorkerFailure("The API's script failed.")
