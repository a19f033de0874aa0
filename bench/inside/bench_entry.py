"""The Worker that is measured: reads and compacts as the dispatcher does, when asked to.

The host measures from outside, because clocks stand still in a Worker while it
computes. `/empty` is what a request costs that does nothing.
"""

import json
from urllib.parse import parse_qsl, urlsplit

import js
import pyodide_js  # type: ignore[import-not-found]
from workers import Request, Response, WorkerEntrypoint

from analytics import WINDOWS, days_of, snapshot
from batches import CountedStore
from periods import MINUTES_PER_DAY
from rollups import compact
from runtime import RuntimeStore
from usage import LocalBatches
from views import WindowView
from windows import read_tail, read_window

ENDLESS = 1 << 60
NOTHING = LocalBatches({}, {})
TOP = 25

_views = {window: WindowView() for window in WINDOWS}


class Default(WorkerEntrypoint):
    """Answers each route with what was done, never with the whole result."""

    async def fetch(self, request: Request) -> Response:
        """Do what the path says."""
        address = urlsplit(request.url)
        given = dict(parse_qsl(address.query))
        raw = self.env._env.USAGE_KV
        store = CountedStore(RuntimeStore(raw), ENDLESS)
        match address.path:
            case "/load":
                await raw.put(
                    given["key"],
                    request.js_object.body,
                    js.JSON.parse(json.dumps({"metadata": json.loads(given["metadata"])})),
                )
                done: dict[str, object] = {}
            case "/load-many":
                entries = js.JSON.parse(await request.js_object.text())
                for entry in entries:
                    await raw.put(entry[0], entry[1], entry[2])
                done = {}
            case "/snapshot":
                done = await _snapshot(store, given["window"], int(given["now"]))
            case "/forget":
                _views.update({window: WindowView() for window in WINDOWS})
                done = {}
            case "/compact":
                report = await compact(store.store, int(given["now"]), int(given["budget"]))
                done = {
                    "operations": report.operations,
                    "made": len(report.made),
                    "done": report.done,
                }
            case "/read":
                # Only what the simulated KV costs: nothing reaches Python.
                page = await raw.list(js.JSON.parse(json.dumps({"prefix": given["prefix"]})))
                names = [entry.name for entry in page.keys]
                for start in range(0, len(names), 100):
                    await raw.get(js.JSON.parse(json.dumps(names[start : start + 100])))
                done = {"keys": len(names)}
            case _:
                done = {"heap_bytes": pyodide_js._module.HEAPU8.length}
        return Response.json(done)


async def _snapshot(store: CountedStore, window: str, now_ms: int) -> dict[str, object]:
    tail = await read_tail(store, NOTHING)
    days = days_of(window, now_ms)
    first = None if days is None else days[0] * MINUTES_PER_DAY
    end = None if days is None else (days[-1] + 1) * MINUTES_PER_DAY
    reading = await read_window(store, tail, first, end, _views[window])
    text = json.dumps(snapshot(window, reading, _views[window], now_ms, TOP))
    return {
        "operations": store.spent,
        "bytes": len(text),
        "calls": json.loads(text)["heroStats"]["calls"],
        "parts": len(reading.parts),
        "complete": reading.complete,
    }
