"""The measured Worker: a shard and readers with the dispatcher's code, controlled by its path.

The host measures the time, because a Worker's clock stops while it computes. `/empty` is a
request that does nothing.
"""

import asyncio
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
from api.routes import USAGE
from api.spec import read_parameters
from api.usage.route import usage_response
from core.ports import Clock, Json, KeyValueStore, Response, Sql, UsageShards
from metering.shard import shard_of
from metering.tables import Tables
from runtime.counters import QuotaCounter
from runtime.environment import RuntimeClock, RuntimeEnvironment
from runtime.http import RuntimeRequest
from runtime.shards import RuntimeSql, RuntimeUsageShards
from runtime.usage_shard import Records, ShardObject
from snapshots.serialization import snapshot_json
from snapshots.sharing import SharingShard
from tenants.directory import TenantDirectory

__all__ = ["QuotaCounter", "UsageShard", "on_fetch"]

TOP = 25


class BenchClock:
    """A clock that the host sets."""

    at_ms = 0

    def now_ms(self) -> int:
        """Milliseconds since 1970; the real time until the host sets one."""
        return self.at_ms or RuntimeClock().now_ms()

    async def sleep_ms(self, duration_ms: int) -> None:
        """Return after `duration_ms` milliseconds."""
        await RuntimeClock().sleep_ms(duration_ms)


class PageRequest:
    """A visitor's request."""

    method = "GET"
    url = ""
    headers: Mapping[str, str] = {}

    async def text(self) -> str:
        """Return the body, which is empty."""
        return ""


_clock = BenchClock()
_readers: list[Analytics] = []
_pages: list[Explore] = []


class StillShard(SharingShard):
    """A shard without scheduled work: the clock of alarms is not the host's."""

    def due_ms(self) -> int | None:
        """Return None: nothing is planned."""
        return None


def _start(
    sql: Sql, number: int, store: KeyValueStore, _: Clock, shards: UsageShards, records: Records
) -> SharingShard:
    shard = StillShard(shard_of(sql, number, store, _clock).log)
    shard.share(shards, TenantDirectory(_clock, *records))
    return shard


class UsageShard(ShardObject):
    """The shard, with methods for the host."""

    _start = staticmethod(_start)

    async def fill(self, text: str) -> str:
        """Insert rows, each with its table first, before the shard starts."""
        sql = RuntimeSql(self.ctx._ctx.storage.sql)
        Tables(sql).create()
        for table, *values in json.loads(text):
            marks = ", ".join("?" * len(values))
            sql.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", *values)  # noqa: S608
        return ""

    async def start(self, at_ms: str) -> str:
        """Set the clock and start the shard; return the size of Pyodide's memory in bytes."""
        _clock.at_ms = int(at_ms)
        self._started()
        return str(pyodide_js._module.HEAPU8.length)


async def on_fetch(raw_request: Any, raw_environment: Any, context: Any) -> Any:
    """Run the action of the path; respond with a short report of it."""
    address = urlsplit(raw_request.url)
    given = dict(parse_qsl(address.query))
    environment = RuntimeEnvironment(raw_environment)
    if "now" in given:
        _clock.at_ms = max(_clock.at_ms, int(given["now"]))
    match address.path:
        case "/load" | "/load-many" | "/delete-many":
            done = await _load(raw_environment.USAGE_KV, raw_request, given)
        case "/fill" | "/append":
            # A call for each line, all at the same time, as many isolates would make them.
            texts = str(await raw_request.text()).splitlines()
            shards = RuntimeUsageShards(raw_environment.USAGE_SHARD, None)
            calls = [shards.call(0, address.path[1:], text) for text in texts]
            done = {"accepted": sum("position" in text for text in await asyncio.gather(*calls))}
        case "/start":
            shards = RuntimeUsageShards(raw_environment.USAGE_SHARD, None)
            done = {"heap_bytes": int(await shards.call(0, "start", given["now"]))}
        case "/forget":
            # The next read is like that of a new isolate.
            _readers.clear()
            done = {}
        case "/snapshot":
            found = await _analytics(environment).snapshots((given["window"],), TOP)
            snapshot = found[given["window"]]
            done = {
                "bytes": len(snapshot_json(snapshot)),
                "calls": snapshot["heroStats"]["calls"],
                "complete": snapshot["freshness"]["complete"],
            }
        case "/cached":
            if not _pages:
                analytics = _analytics(environment)
                _pages.append(Explore(environment, _clock, analytics))
            query = f"?window={given['window']}&top={TOP}"
            response = await _pages[0].handle(PageRequest(), query, "bench")
            return RuntimeRequest(raw_request, context).respond(response)
        case "/computed" | "/usage":
            response = await _response(address.path, environment, given)
            return RuntimeRequest(raw_request, context).respond(response)
        case _:
            done = {"heap_bytes": pyodide_js._module.HEAPU8.length}
    return WorkersResponse.json(done)


async def _response(path: str, environment: RuntimeEnvironment, given: dict[str, str]) -> Response:
    """Compute the response of a platform route."""
    analytics = _analytics(environment)
    if path == "/usage":
        values = read_parameters(USAGE.parameters, [*given.items()])
        return await usage_response(analytics, _clock, values, {}, None, "bench")
    window = given["window"]
    found = await analytics.snapshots((window,), TOP)
    body = {"window": window, "snapshot": found[window]}
    return analytics_response(body, "bench", "", is_public=False)


def _analytics(environment: RuntimeEnvironment) -> Analytics:
    if not _readers:
        _readers.append(Analytics(_clock, environment.usage_shards, environment.usage_store))
    return _readers[0]


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
