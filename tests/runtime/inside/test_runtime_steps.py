"""Work that is driven from promise to promise, and by asyncio where it needs that."""

import asyncio
from contextvars import ContextVar
from typing import Any

import js
import pytest
from pyodide.ffi import JsException

from runtime.coroutine_driver import CoroutineDriver, JsPromise

_name: ContextVar[str] = ContextVar("_name", default="nobody")


def holder(promise: str) -> Any:
    """An object with a promise, as the calls into JavaScript give one."""
    made = js.Object.new()
    resolvers = js.Promise.withResolvers()
    made.promise = resolvers.promise
    if promise == "fails":
        resolvers.reject(js.Error.new("the promise failed"))
    elif promise == "fails with nothing":
        resolvers.reject()
    else:
        resolvers.resolve(promise)
    return made


async def test_work_without_waiting_is_done_at_once() -> None:
    """Its result is what `go_on` gives."""

    async def work() -> str:
        return "done"

    assert CoroutineDriver(work()).go_on() == "done"


async def test_promises_are_awaited_one_after_the_other() -> None:
    """Each gives its value, and none of it makes a task."""
    before = asyncio.all_tasks()
    made: list[set[asyncio.Task[Any]]] = []

    async def work() -> str:
        first = await JsPromise(holder("one"))
        made.append(asyncio.all_tasks() - before)
        return f"{first} {await JsPromise(holder('two'))}"

    assert await CoroutineDriver(work()).go_on() == "one two"
    assert made == [set()]


async def test_a_promise_that_fails_is_raised_where_it_is_awaited() -> None:
    """Whoever awaits may go on from there."""

    async def work() -> str:
        with pytest.raises(JsException, match="the promise failed"):
            await JsPromise(holder("fails"))
        with pytest.raises(JsException, match="undefined"):
            await JsPromise(holder("fails with nothing"))
        return f"and {await JsPromise(holder('after'))}"

    assert await CoroutineDriver(work()).go_on() == "and after"


async def test_what_work_raises_is_raised() -> None:
    """At once, after a promise, and after something of asyncio's."""

    async def work(*awaited: Any) -> None:
        for one in awaited:
            await one
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        CoroutineDriver(work()).go_on()
    with pytest.raises(JsException, match="PythonError"):
        await CoroutineDriver(work(JsPromise(holder("one")))).go_on()
    with pytest.raises(LookupError, match="lost"):
        await CoroutineDriver(work(asyncio.sleep(0))).go_on()


async def test_asyncio_and_promises_mix() -> None:
    """From the first future on, a task awaits promises as well, failing ones too."""

    async def work() -> list[str]:
        found = [await JsPromise(holder("one"))]
        found += await asyncio.gather(_later("two"), _later("three"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(5), timeout=0.01)
        with pytest.raises(JsException, match="the promise failed"):
            await JsPromise(holder("fails"))
        found.append(await JsPromise(holder("four")))
        return found

    found = await CoroutineDriver(work()).go_on()
    assert list(found) == ["one", "two", "three", "four"]


async def test_each_work_has_a_context_of_its_own() -> None:
    """What one sets is there after it waited, and nobody else's."""

    async def work(name: str) -> str:
        _name.set(name)
        await JsPromise(holder("one"))
        await asyncio.sleep(0.001)
        return _name.get()

    first, second = CoroutineDriver(work("first")).go_on(), CoroutineDriver(work("second")).go_on()
    assert [await first, await second, _name.get()] == ["first", "second", "nobody"]


async def _later(value: str) -> str:
    await asyncio.sleep(0.001)
    return value
