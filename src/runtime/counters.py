"""Counters: rate-limit bindings, and a Durable Object for each API that has quotas or caps.

`core.quotas` has the rules of counting.
"""

from __future__ import annotations

import json
from typing import Any

from pyodide.ffi import JsException
from workers import DurableObject

from core import quotas
from core.quotas import CounterUnavailable, QuotaLimits, Release, Reserved, Usage
from runtime.kv import js_object

_USE = "use"


class RuntimeRateCounter:
    """A rate-limit binding.

    https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/
    """

    def __init__(self, binding: Any) -> None:
        """Take the raw binding."""
        self._binding = binding

    async def take(self, key: str) -> bool:
        """Count one request of `key`; False if over the limit. Raises `CounterUnavailable`."""
        options = js_object({"key": key})
        try:
            outcome = await self._binding.limit(options)
        except JsException as error:
            raise CounterUnavailable(str(error)) from error
        return bool(outcome.success)


class RuntimeQuotaCounters:
    """The Durable Objects of the class `QuotaCounter`, by name."""

    def __init__(self, binding: Any) -> None:
        """Take the raw binding."""
        self._binding = binding

    async def reserve(self, name: str, at_ms: int, limits: QuotaLimits, micros: int) -> Reserved:
        """Count one request; see `ports.QuotaCounters`."""
        usage, *rest = json.loads(await self._call(name, "reserve", at_ms, limits, micros))
        return Reserved(Usage(*usage), *rest)

    async def hold(self, name: str, at_ms: int, limits: QuotaLimits, micros: int) -> Reserved:
        """Hold the price of a request; see `ports.QuotaCounters`."""
        usage, *rest = json.loads(await self._call(name, "hold", at_ms, limits, micros))
        return Reserved(Usage(*usage), *rest)

    async def release(self, name: str, released: Release) -> None:
        """Release what a request did not use; see `ports.QuotaCounters`."""
        await self._call(name, "release", *released)

    async def _call(self, name: str, method: str, *arguments: object) -> str:
        try:
            counter = self._binding.getByName(name)
            return str(await counter.execute(method, json.dumps(arguments)))
        except JsException as error:
            raise CounterUnavailable(str(error)) from error


class QuotaCounter(DurableObject):
    """One API's counter: one value in a storage of its own.

    A call runs without an `await`, so no other call runs in between, and the runtime delays
    its result until the write is durable.
    """

    async def execute(self, method: str, arguments: str) -> str:
        """Run `reserve`, `hold` or `release`.

        Args:
            method: Which of the three.
            arguments: Its arguments, as the text of a JSON array.

        Returns:
            Its result as JSON text: the fields of `Reserved`, nothing of `release`.
        """
        values = self.ctx.storage.kv
        stored = values.get(_USE)
        usage = Usage(*json.loads(stored)) if stored else Usage()
        if method == "release":
            values.put(_USE, json.dumps(quotas.release(usage, Release(*json.loads(arguments)))))
            return ""
        at_ms, limits, micros = json.loads(arguments)
        count = quotas.hold if method == "hold" else quotas.reserve
        reserved = count(usage, at_ms, QuotaLimits(*limits), micros)
        if not reserved.exceeded:
            values.put(_USE, json.dumps(reserved.usage))
        return json.dumps(reserved)
