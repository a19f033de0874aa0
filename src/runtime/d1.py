"""D1 databases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import js
from pyodide.ffi import JsException, jsnull, to_js

from core.errors import DatabaseUnavailable
from core.ports import Row, Statement


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
        # None would become `undefined`, which D1 rejects; `null` is NULL.
        values = [jsnull if value is None else value for value in statement.values]
        return prepared.bind(*values) if values else prepared
