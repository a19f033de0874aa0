"""The Workers runtime's counters: rate-limit bindings, and a Durable Object for each API.

Owns these crossings, and the Durable Object's storage. Refuses to decide
anything: the rules of counting are in `quotas`.

JavaScript objects have no types here, so they are `Any`.
"""

from __future__ import annotations

import json
from typing import Any

from pyodide.ffi import JsException
from workers import DurableObject

from core import quotas
from core.quotas import CounterUnavailable, QuotaLimits, Reserved, Usage
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
        """Count one of `key`; False when no more are allowed. Raises `CounterUnavailable`."""
        options = js_object({"key": key})
        try:
            outcome = await self._binding.limit(options)
        except JsException as error:
            raise CounterUnavailable(str(error)) from error
        return bool(outcome.success)


class RuntimeQuotaCounters:
    """The Durable Objects of class `QuotaCounter`, by name."""

    def __init__(self, binding: Any) -> None:
        """Take the raw binding."""
        self._binding = binding

    async def reserve(self, name: str, at_ms: int, bounds: QuotaLimits, micros: int) -> Reserved:
        """Count one request; see `ports.QuotaCounters`."""
        answer = json.loads(await self._ask(name, "reserve", at_ms, list(bounds), micros))
        return Reserved(Usage(*answer["use"]), answer["exceeded"])

    async def release(self, name: str, day: int, requests: int, micros: int) -> None:
        """Take back what was reserved; see `ports.QuotaCounters`."""
        await self._ask(name, "give_back", day, requests, micros)

    async def _ask(self, name: str, method: str, *arguments: object) -> str:
        try:
            counter = self._binding.getByName(name)
            return str(await counter.ask(method, json.dumps(arguments)))
        except JsException as error:
            raise CounterUnavailable(str(error)) from error


class QuotaCounter(DurableObject):
    """One API's counter: a single value in storage of its own.

    Python runs to its end here without an `await`, and the runtime holds the
    answer until what was written is durable.
    """

    async def ask(self, method: str, arguments: str) -> str:
        """Do `reserve` or `release` with its arguments as JSON; its answer is JSON as well."""
        values = self.ctx.storage.kv
        stored = values.get(_USE)
        use = Usage(*json.loads(stored)) if stored else Usage()
        if method == "reserve":
            at_ms, bounds, micros = json.loads(arguments)
            reserved = quotas.reserve(use, at_ms, QuotaLimits(*bounds), micros)
            if not reserved.exceeded:
                values.put(_USE, json.dumps(reserved.usage))
            return json.dumps({"use": reserved.usage, "exceeded": reserved.exceeded})
        use = quotas.release(use, *json.loads(arguments))
        values.put(_USE, json.dumps(use))
        return "{}"
