"""Coroutines that run from promise to promise, and in asyncio where they need it."""

import asyncio
from contextvars import ContextVar
from typing import Any

import js
import pytest
from pyodide.ffi import JsException

from runtime.coroutine_driver import CoroutineDriver, JsPromise

_name: ContextVar[str] = ContextVar("_name", default="unset")


def holder(promise: str) -> Any:
    """Return an object with a promise, as the functions of `bridge.js` do."""
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


async def test_a_coroutine_that_awaits_nothing_finishes_at_once() -> None:
    """`resume` returns its result."""

    async def work() -> str:
        return "done"

    assert CoroutineDriver(work()).resume() == "done"


async def test_promises_are_awaited_one_after_the_other() -> None:
    """Each returns its value, and none starts a task."""
    before = asyncio.all_tasks()
    started: list[set[asyncio.Task[Any]]] = []

    async def work() -> str:
        first = await JsPromise(holder("one"))
        started.append(asyncio.all_tasks() - before)
        return f"{first} {await JsPromise(holder('two'))}"

    assert await CoroutineDriver(work()).resume() == "one two"
    assert started == [set()]


async def test_a_rejected_promise_raises_where_it_is_awaited() -> None:
    """The coroutine can catch the exception and continue."""

    async def work() -> str:
        with pytest.raises(JsException, match="the promise failed"):
            await JsPromise(holder("fails"))
        with pytest.raises(JsException, match="undefined"):
            await JsPromise(holder("fails with nothing"))
        return f"and {await JsPromise(holder('after'))}"

    assert await CoroutineDriver(work()).resume() == "and after"


async def test_an_exception_of_the_coroutine_is_raised() -> None:
    """At once, after a promise, and after an asyncio future."""

    async def work(*awaited: Any) -> None:
        for one in awaited:
            await one
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        CoroutineDriver(work()).resume()
    with pytest.raises(JsException, match="PythonError"):
        await CoroutineDriver(work(JsPromise(holder("one")))).resume()
    with pytest.raises(LookupError, match="lost"):
        await CoroutineDriver(work(asyncio.sleep(0))).resume()


async def test_asyncio_and_promises_mix() -> None:
    """From the first future on, a task awaits promises too, rejected ones included."""

    async def work() -> list[str]:
        found = [await JsPromise(holder("one"))]
        found += await asyncio.gather(_later("two"), _later("three"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(5), timeout=0.01)
        with pytest.raises(JsException, match="the promise failed"):
            await JsPromise(holder("fails"))
        found.append(await JsPromise(holder("four")))
        return found

    found = await CoroutineDriver(work()).resume()
    assert list(found) == ["one", "two", "three", "four"]


async def test_each_coroutine_has_a_context_of_its_own() -> None:
    """A variable keeps its value across awaits, and no other coroutine sees it."""

    async def work(name: str) -> str:
        _name.set(name)
        await JsPromise(holder("one"))
        await asyncio.sleep(0.001)
        return _name.get()

    first, second = (CoroutineDriver(work(name)).resume() for name in ("first", "second"))
    assert [await first, await second, _name.get()] == ["first", "second", "unset"]


async def _later(value: str) -> str:
    await asyncio.sleep(0.001)
    return value
