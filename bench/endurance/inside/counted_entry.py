"""The real Worker with one more route, which counts live objects in its isolate.

All other requests go to the unchanged entrypoint.
"""

import gc
import json
from typing import Any
from urllib.parse import urlsplit

import js
import pyodide_js  # type: ignore[import-not-found]
from workers import import_from_javascript

import entry

QuotaCounter = entry.QuotaCounter
UsageShard = entry.UsageShard
on_scheduled = entry.on_scheduled

COUNTS = "/__counts"
COLLECTIONS = 3
"""Several rounds, because an object freed by one collector may hold one of the other."""

_garbage = import_from_javascript("garbage.js")
_watched: list[Any] = []


def on_fetch(request: Any, environment: Any, context: Any) -> Any:
    """Handle a request."""
    if urlsplit(request.url).path == COUNTS:
        return _counts()
    return entry.on_fetch(request, environment, context)


async def _counts() -> Any:
    """Count live objects; the first call starts to track Python objects held by JavaScript."""
    module = pyodide_js._module
    if not _watched:
        _watched.append(_garbage.watch(module))
    for _ in range(COLLECTIONS):
        gc.collect()
        await _garbage.collect()
    found = {
        "references": module._hiwire_num_refs(),
        "lent": _watched[0].count,
        "objects": len(gc.get_objects()),
        "wasm_mb": module.HEAPU8.length / 1e6,
    }
    return js.Response.new(json.dumps(found))
