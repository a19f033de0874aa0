"""The measured Worker: reads and compacts with the dispatcher's code, controlled by its path.

The host measures the time, because a Worker's clock stops while it computes. `/empty` is a
request that does nothing.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import js
import pyodide_js  # type: ignore[import-not-found]
from workers import Response as WorkersResponse

from analytics import Analytics
from api.explore.route import Explore
from api.platform import analytics_response
from core.kv_store import BudgetedStore
from core.ports import Json, Response
from metering.compactor import compact
from runtime.edge_cache import RuntimeEdgeCache
from runtime.environment import RuntimeBackground, RuntimeClock, RuntimeEnvironment
from runtime.http import RuntimeRequest
from runtime.kv import RuntimeStore
from snapshots.serialization import snapshot_json
from usage import UsageRecorder

ENDLESS = 1 << 60
TOP = 25


class BenchClock:
    """A clock that the host sets."""

    at_ms = 0

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return self.at_ms

    async def sleep_ms(self, duration_ms: int) -> None:
        """Return after `duration_ms` milliseconds."""
        await RuntimeClock().sleep_ms(duration_ms)


class PageRequest:
    """A visitor's request."""

    method = "GET"
    url = ""
    headers: Mapping[str, str] = {}


_clock = BenchClock()
_readers: list[Analytics] = []
_pages: list[Explore] = []


def _forget() -> None:
    _readers[:] = [Analytics(_clock, UsageRecorder("bench", _clock))]
    _pages.clear()


_forget()


async def on_fetch(raw_request: Any, raw_environment: Any, context: Any) -> Any:
    """Run the action of the path; respond with a short report of it."""
    address = urlsplit(raw_request.url)
    given = dict(parse_qsl(address.query))
    raw = raw_environment.USAGE_KV
    store = BudgetedStore(RuntimeStore(raw), ENDLESS)
    match address.path:
        case "/load" | "/load-many" | "/delete-many":
            done = await _load(raw, raw_request, given)
        case "/snapshot":
            background = RuntimeBackground(context)
            done = await _snapshot(store, given["window"], int(given["now"]), background)
        case "/cached" | "/computed":
            environment = RuntimeEnvironment(raw_environment)
            background = RuntimeBackground(context)
            response = await _page(environment, store, address.path, given, background)
            return RuntimeRequest(raw_request, context).respond(response)
        case "/publish":
            _clock.at_ms = int(given["now"])
            done = {"published": await _readers[0].publish(store)}
        case "/forget":
            _forget()
            done = {}
        case "/compact":
            report = await compact(store.store, int(given["now"]), int(given["budget"]))
            done = {
                "operations": report.operations,
                "made": len(report.made),
                "done": report.done,
            }
        case "/read":
            done = await _read(raw, given["prefix"])
        case _:
            done = {"heap_bytes": pyodide_js._module.HEAPU8.length}
    return WorkersResponse.json(done)


async def _load(raw: Json, request: Json, given: dict[str, str]) -> dict[str, object]:
    """Store one streamed value, or store or delete the many in the body."""
    if "key" in given:
        options = js.JSON.parse(json.dumps({"metadata": json.loads(given["metadata"])}))
        await raw.put(given["key"], request.body, options)
    else:
        for entry in js.JSON.parse(await request.text()):
            if isinstance(entry, str):
                await raw.delete(entry)
            else:
                await raw.put(entry[0], entry[1], entry[2])
    return {}


async def _read(raw: Json, prefix: str) -> dict[str, object]:
    """Read the values of one listing without converting them to Python."""
    page = await raw.list(js.JSON.parse(json.dumps({"prefix": prefix})))
    names = [entry.name for entry in page.keys]
    for start in range(0, len(names), 100):
        await raw.get(js.JSON.parse(json.dumps(names[start : start + 100])))
    return {"keys": len(names)}


async def _page(
    environment: RuntimeEnvironment,
    store: BudgetedStore,
    path: str,
    given: dict[str, str],
    background: RuntimeBackground,
) -> Response:
    """Respond like the route of the public page, or like the platform API."""
    _clock.at_ms = max(_clock.at_ms, int(given["now"]))
    window = given["window"]
    if path == "/cached":
        request = PageRequest()
        if not _pages:
            _pages.append(Explore(environment, _clock, _readers[0], RuntimeEdgeCache()))
        query = f"?window={window}&top={TOP}"
        return await _pages[0].handle(request, query, "bench", background)
    found = await _readers[0].snapshots(store, (window,), TOP, background)
    body = {"window": window, "snapshot": found[window]}
    return analytics_response(body, "bench", "", is_public=False)


async def _snapshot(
    store: BudgetedStore, window: str, now_ms: int, background: RuntimeBackground
) -> dict[str, object]:
    _clock.at_ms = now_ms
    reader = _readers[0]
    is_warm = bool(reader._caches[window]._summaries)
    found = (await reader.snapshots(store, (window,), TOP, background))[window]
    operations = store.spent
    text = snapshot_json(found)
    return {
        "operations": operations,
        "bytes": len(text),
        "calls": found["heroStats"]["calls"],
        "complete": found["freshness"]["complete"],
        "was_warm": is_warm,
    }
