"""D1 databases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pyodide.ffi import JsException
from workers import import_from_javascript

from core import constants
from core.errors import DatabaseUnavailable
from core.ports import Row, Statement
from runtime.coroutine_driver import JsPromise

_run_batch = import_from_javascript("runtime/bridge.js").runBatch


class RuntimeDatabase:
    """A D1 database (https://developers.cloudflare.com/d1/worker-api/d1-database/)."""

    def __init__(self, binding: Any) -> None:
        """Take the raw binding, without the SDK's wrapper around it."""
        self._binding = binding

    async def execute(self, *statements: Statement) -> Sequence[Sequence[Row]]:
        """Run all statements as one transaction.

        Raises `DatabaseUnavailable`, and `ValueError` for a number that JavaScript lacks.
        """
        for statement in statements:
            for value in statement.values:
                if isinstance(value, int) and abs(value) > constants.INTEGER_MAX:
                    raise ValueError(f"JavaScript cannot represent {value}")
        try:
            # One text each way, because each value that crosses costs time.
            text = json.dumps(statements, allow_nan=False, separators=(",", ":"))
            found = await JsPromise(_run_batch(self._binding, text))
        except JsException as error:
            raise DatabaseUnavailable(str(error)) from error
        results: list[list[dict[str, Any]]] = json.loads(found)
        return results
