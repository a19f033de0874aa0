"""HTTP: the Worker's requests and responses, the dispatch namespace, `fetch`, and WebCrypto.

An attribute read from JavaScript, or a call, takes microseconds, which is much of what a request
costs. So `bridge.js` groups what belongs together into one call, and lists are passed as the
lines of one text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from itertools import chain
from typing import Any

from pyodide.ffi import JsException
from workers import import_from_javascript

from core.constants import ScriptLimits
from core.errors import (
    ClientClosedRequest,
    FetchFailed,
    KeyUnusable,
    TenantError,
    TenantLimitExceeded,
    TenantWorkerFailure,
    WorkerNotFound,
)
from core.ports import Fetched, ProxyResponse, Request, Response, SigningAlgorithm
from runtime.coroutine_driver import JsPromise

_bridge = import_from_javascript("runtime/bridge.js")
_arrive, _end, _drain = _bridge.arrive, _bridge.end, _bridge.drain
_read_text, _fetch_text, _sign = _bridge.readText, _bridge.fetchText, _bridge.sign
_dispatch, _describe, _discard = _bridge.dispatch, _bridge.describe, _bridge.discard
_forward, _respond, _may_be_broken = _bridge.forward, _bridge.respond, _bridge.mayBeBroken
_LIMIT_MESSAGE = re.compile(
    r"(?:python )?(?:worker|script|isolate|durable object(?:'s isolate)?)(?: startup)?(?: has)?"
    r" exceeded (?:its )?(?:allowed )?(?:cpu|memory|time|wall|execution|resource|subrequest)"
    r"|too many (?:subrequests|api requests)"
    r"|(?:subrequest|facet nesting) depth limit exceeded"
    r"|memory limit (?:would be )?exceeded before eof"
    r"|readablestream\.tee\(\) buffer limit exceeded"
)
"""What workerd and Cloudflare say of a script over a limit (workerd's io-context.h, worker.c++,
pyodide.h, actor-cache.c++ and, of bodies that do not fit into memory, streams/; Cloudflare's pages
of errors)."""

_LOST_CONNECTION = ("network connection lost", "client disconnected")
"""What workerd's exception says to a script that reads the upload of a client that is gone."""


class RuntimeRequest:
    """A request to the Worker.

    `headers` are by lower-case name; the values of repeated headers are joined by a comma.
    """

    __slots__ = ("headers", "method", "raw", "url")

    def __init__(self, raw: Any, context: Any) -> None:
        """Take the JavaScript `Request` and its execution context.

        Its work continues until `respond` or `end`, even if the client disconnects.
        """
        self.raw = raw
        self.method: str
        self.url: str
        self.method, self.url, *fields = _arrive(raw, context).split("\n")
        self.headers: Mapping[str, str] = dict(zip(fields[::2], fields[1::2], strict=True))

    def respond(self, response: Response | ProxyResponse) -> Any:
        """Return the JavaScript `Response`; a script's body is streamed, never read."""
        if isinstance(response, Response):
            return _respond(self.raw, response.status, _lines(response.headers), response.body)
        assert isinstance(response.upstream, RuntimeUpstreamResponse)
        removed = "\n".join(response.remove_headers)
        added = _lines(response.add_headers)
        return _forward(
            self.raw, response.upstream.raw, removed, _lines(response.set_headers), added
        )

    async def text(self) -> str:
        """Read the body as UTF-8 text, once."""
        return str(await JsPromise(_read_text(self.raw)))

    def end(self) -> None:
        """Release the request without responding."""
        _end(self.raw)

    async def drain(self) -> None:
        """Read the rest of an upload that no script has read; only `make dev` needs this.

        wrangler's development proxy loses the response to an unread upload unless the
        Worker is JavaScript (cloudflare/workers-sdk#15203). Cloudflare's edge does not,
        so only the launcher sets `DRAIN_UPLOADS`.
        """
        # A client that disconnects ends the upload with an exception.
        with suppress(JsException):
            await JsPromise(_drain(self.raw))


class RuntimeUpstreamResponse:
    """A script's response, or a static file's; `header_names` are lower case."""

    __slots__ = ("has_client", "header_names", "raw", "status")

    def __init__(self, raw: Any) -> None:
        """Take the JavaScript `Response`."""
        self.raw = raw
        status, *names = _describe(raw).split("\n")
        number = int(status)
        self.status = abs(number)
        self.has_client = number > 0
        self.header_names: Sequence[str] = names

    def header(self, name: str) -> str | None:
        """Return the value of one header, None if it is missing."""
        return self.raw.headers.get(name) or None

    async def discard(self) -> None:
        """Discard its body, or its connection."""
        with suppress(JsException):
            await _discard(self.raw)


class RuntimeNamespace:
    """A dispatch namespace of Workers for Platforms."""

    def __init__(self, binding: Any, *, is_proxied: bool = False) -> None:
        """Take the raw binding.

        If `is_proxied`, requests come through a proxy that hides when a client disconnects, as
        that of `wrangler dev` does.
        """
        self._binding = binding
        self._is_proxied = is_proxied

    async def fetch(
        self,
        script: str,
        limits: ScriptLimits,
        request: Request,
        url: str | None,
        remove_headers: Sequence[str],
        prefix: str = "",
    ) -> RuntimeUpstreamResponse:
        """Send the request to `script`; see `ports.Namespace`."""
        assert isinstance(request, RuntimeRequest)
        script_limits = (limits.cpu_ms, limits.sub_requests)
        removed = "\n".join(remove_headers)
        address = "" if url is None else f"{url}\n{prefix}"
        if self._is_proxied:
            address = f"{url or ''}\n{prefix}\nproxied"
        try:
            raw = await JsPromise(
                _dispatch(self._binding, script, *script_limits, request.raw, address, removed)
            )
        except JsException as error:
            raise _script_error(script, error, request.raw, is_proxied=self._is_proxied) from error
        return RuntimeUpstreamResponse(raw)


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
        """Send a request and read the response; see `ports.Fetcher`."""
        try:
            lines = _lines(headers.items())
            found = await JsPromise(
                _fetch_text(url, method, lines, body, timeout_ms, body_bytes_max)
            )
        except (JsException, ValueError) as error:
            raise FetchFailed(str(error)) from error
        line, detail, text = found.split("\n", 2)
        status = int(line)
        if status == HTTPStatus.UNAUTHORIZED:
            return Fetched(status, text, at_ms=int(detail) if detail else None)
        is_redirect = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
        if is_redirect:
            return Fetched(status, text, detail)
        return Fetched(status, text, extensions=detail)


class RuntimeSigner:
    """WebCrypto."""

    async def sign(self, algorithm: SigningAlgorithm, key: str, text: str) -> str:
        """Sign a text; see `ports.Signer`."""
        try:
            return str(await JsPromise(_sign(algorithm, key, text)))
        except JsException as error:
            raise KeyUnusable(str(error.message)) from error


def _lines(headers: Iterable[tuple[str, str]]) -> str:
    """Join names and values. Raises `ValueError` if one has a line break."""
    parts = tuple(chain.from_iterable(headers))
    text = "\n".join(parts)
    if text.count("\n") > max(0, len(parts) - 1):
        raise ValueError("a header has a line break")
    return text


def _script_error(
    script: str, error: JsException, request: Any, *, is_proxied: bool
) -> TenantError | ClientClosedRequest:
    """Classify an exception by its message, which is logged and never sent to the client.

    Only the exception in which reading an upload ends is the client's.
    """
    text = str(error.message)
    if text.startswith("Worker not found"):
        return WorkerNotFound(f"The script {script!r} of this API is not in the namespace.")
    if _LIMIT_MESSAGE.match(text.lower()):
        return TenantLimitExceeded("The API exceeded the limits of its plan.")
    is_lost = any(part in text.lower() for part in _LOST_CONNECTION)
    if is_lost and (request.signal.aborted or (is_proxied and _may_be_broken(request))):
        return ClientClosedRequest("The client disconnected before the response.")
    return TenantWorkerFailure("The API's script failed.")
