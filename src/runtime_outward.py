"""The Workers runtime's way out: D1 and outgoing HTTP, on workerd's JavaScript objects.

Beside `runtime` the only module that imports `js` and `pyodide`. Owns these
crossings between Python and JavaScript. Refuses to decide anything.

JavaScript objects have no types here, so they are `Any`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import js
from pyodide.ffi import JsException, jsnull, to_js

from errors import DatabaseUnavailable, FetchFailed
from ports import Fetched, Row, Statement


class RuntimeDatabase:
    """A D1 database (https://developers.cloudflare.com/d1/worker-api/d1-database/)."""

    def __init__(self, binding: Any) -> None:
        """Take the raw binding, without the SDK's wrapper around it."""
        self._binding = binding

    async def execute(self, *statements: Statement) -> Sequence[Sequence[Row]]:
        """Run all statements as one transaction. Raises `DatabaseUnavailable`."""
        try:
            prepared = [self._prepare(statement) for statement in statements]
            found = await self._binding.batch(to_js(prepared))
        except JsException as error:
            raise DatabaseUnavailable(str(error)) from error
        results: list[dict[str, Any]] = json.loads(js.JSON.stringify(found))
        return [result["results"] for result in results]

    def _prepare(self, statement: Statement) -> Any:
        prepared = self._binding.prepare(statement.sql)
        # None would cross as `undefined`, which D1 does not take for NULL.
        values = [jsnull if value is None else value for value in statement.values]
        return prepared.bind(*values) if values else prepared


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
