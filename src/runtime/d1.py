"""D1 databases."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

from pyodide.ffi import JsException
from workers import import_from_javascript

from core import constants
from core.errors import DatabaseUnavailable
from core.ports import Row, Statement
from runtime.coroutine_driver import JsPromise

_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_LONG_NUMBER = re.compile(r"[\[,]-?[0-9]{16}")
"""As long as the numbers that JavaScript may not have; a string may contain it too."""

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
        # One text each way, because each value that crosses costs time.
        text = _ENCODER.encode(statements)
        # The text is searched first, which is faster than a look at each value.
        if _LONG_NUMBER.search(text):
            for value in chain.from_iterable(statement.values for statement in statements):
                if isinstance(value, int) and abs(value) > constants.INTEGER_MAX:
                    raise ValueError(f"JavaScript cannot represent {value}")
        try:
            found = await JsPromise(_run_batch(self._binding, text))
        except JsException as error:
            raise DatabaseUnavailable(str(error)) from error
        results: list[list[dict[str, Any]]] = json.loads(found)
        return results
