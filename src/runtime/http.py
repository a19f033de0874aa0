"""Requests and answers inside workerd: implements their ports by a few calls into JavaScript.

Each attribute that is read from JavaScript and each call into it costs some microseconds, a
good part of what a request may cost here; so `runtime/bridge.js` does in one call what belongs
together, and lists cross as lines of one text. Refuses to decide anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import js
from pyodide.ffi import JsException, to_js
from workers import import_from_javascript

from core.constants import ScriptLimits
from core.errors import (
    FetchFailed,
    TenantError,
    TenantLimitExceeded,
    TenantWorkerFailure,
    WorkerNotFound,
)
from core.ports import Fetched, ProxyResponse, Request, Response
from runtime.coroutine_driver import JsPromise

_crossings = import_from_javascript("runtime/bridge.js")
_arrive, _end, _drain = _crossings.arrive, _crossings.end, _crossings.drain
_dispatch, _describe, _discard = _crossings.dispatch, _crossings.describe, _crossings.discard
_relay, _answer = _crossings.relay, _crossings.answer
_LIMIT_MESSAGES = ("exceeded cpu", "too many subrequests", "exceeded resource limits")


class RuntimeRequest:
    """A request as workerd hands it over, from its arrival to its answer.

    `headers` are by lower-case name, repeated ones joined by a comma.
    """

    __slots__ = ("headers", "method", "raw", "url")

    def __init__(self, raw: Any, context: Any) -> None:
        """Take the JavaScript `Request` and its execution context.

        Its work goes on until it is answered or ended, even when the client goes away.
        """
        self.raw = raw
        self.method: str
        self.url: str
        self.method, self.url, *fields = _arrive(raw, context).split("\n")
        self.headers: Mapping[str, str] = dict(zip(fields[::2], fields[1::2], strict=True))

    def respond(self, answer: Response | ProxyResponse) -> Any:
        """Make the JavaScript `Response`; a tenant's body is passed on, never read."""
        if isinstance(answer, Response):
            return _answer(self.raw, answer.status, _lines(answer.headers), answer.body)
        assert isinstance(answer.upstream, RuntimeReply)
        removed = "\n".join(answer.remove_headers)
        added = _lines(answer.add_headers)
        return _relay(self.raw, answer.upstream.raw, removed, _lines(answer.set_headers), added)

    def end(self) -> None:
        """Let go of it without an answer."""
        _end(self.raw)

    async def drain(self) -> None:
        """Read the rest of an upload that was passed on to nobody, for `make dev` alone.

        wrangler's development proxy loses the answer to an unread upload, unless
        the Worker is JavaScript (cloudflare/workers-sdk#15203). Cloudflare's edge
        does not, so the launcher asks for this by the setting `DRAIN_UPLOADS`.
        """
        # A client that leaves half-way ends this as well.
        with suppress(JsException):
            await JsPromise(_drain(self.raw))


class RuntimeReply:
    """What a tenant's script answered; `header_names` are lower case."""

    __slots__ = ("header_names", "raw", "status")

    def __init__(self, raw: Any) -> None:
        """Take the JavaScript `Response`."""
        self.raw = raw
        status, *names = _describe(raw).split("\n")
        self.status = int(status)
        self.header_names: Sequence[str] = names

    def header(self, name: str) -> str | None:
        """The value of one header, None when it is not there."""
        return self.raw.headers.get(name) or None

    async def discard(self) -> None:
        """Drop its body, or its connection, which nobody is to have."""
        with suppress(JsException):
            await _discard(self.raw)


class RuntimeNamespace:
    """A dispatch namespace of Workers for Platforms."""

    def __init__(self, binding: Any) -> None:
        """Take the raw binding."""
        self._binding = binding

    async def fetch(
        self,
        script: str,
        limits: ScriptLimits,
        request: Request,
        url: str | None,
        remove_headers: Sequence[str],
    ) -> RuntimeReply:
        """Let `script` answer; see `ports.Namespace`."""
        assert isinstance(request, RuntimeRequest)
        bounds = (limits.cpu_ms, limits.sub_requests)
        removed = "\n".join(remove_headers)
        try:
            raw = await JsPromise(
                _dispatch(self._binding, script, *bounds, request.raw, url or "", removed)
            )
        except JsException as error:
            raise _tenant_error(script, error) from error
        return RuntimeReply(raw)


def _lines(headers: Iterable[tuple[str, str]]) -> str:
    """Join names and values. Raises `ValueError` for one that holds a line break."""
    parts = tuple(chain.from_iterable(headers))
    text = "\n".join(parts)
    if text.count("\n") > max(0, len(parts) - 1):
        raise ValueError("a header holds a line break")
    return text


def _tenant_error(script: str, error: JsException) -> TenantError:
    """Tell from an exception's text what went wrong; its text goes no further than the log."""
    text = str(error.message)
    if text.startswith("Worker not found"):
        return WorkerNotFound(f"The script {script!r} of this API is not in the namespace.")
    if any(part in text.lower() for part in _LIMIT_MESSAGES):
        return TenantLimitExceeded("The API went past the limits of its plan.")
    return TenantWorkerFailure("The API's script failed.")


class RuntimeFetcher:
    """The global `fetch`."""

    async def fetch(
        self,
        url: str,
        *,
        method: str,
        headers: Mapping[str, str],
        body: str | None,
        timeout_ms: int,
        body_bytes_max: int,
    ) -> Fetched:
        """Send a request and read its answer; see `ports.Fetcher`."""
        options: dict[str, Any] = {"method": method, "headers": headers, "redirect": "manual"}
        if body is not None:
            options["body"] = body
        init = to_js(options, dict_converter=js.Object.fromEntries)
        # The signal ends the reading of the body as well.
        init.signal = js.AbortSignal.timeout(timeout_ms)
        try:
            response = await js.fetch(url, init)
            content = await _read(response.body, body_bytes_max) if response.body else b""
        except JsException as error:
            raise FetchFailed(str(error)) from error
        return Fetched(int(response.status), content.decode(errors="replace"))


async def _read(stream: Any, bytes_max: int) -> bytes:
    reader = stream.getReader()
    content = bytearray()
    while True:
        part = await reader.read()
        if part.done:
            return bytes(content)
        content += part.value.to_bytes()
        if len(content) > bytes_max:
            await reader.cancel()
            raise FetchFailed(f"the answer is longer than {bytes_max} bytes")
