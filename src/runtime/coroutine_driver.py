"""A request's work, driven from promise to promise without a task of asyncio's.

Every turn of Pyodide's event loop is a message that JavaScript posts to itself, and a task
takes five of them to await one promise: more than all of what a request needs otherwise. So
a request's coroutine is run at once up to the promise that it awaits, and on from there when
JavaScript says that the promise is settled. Work that awaits anything of asyncio's, such as
what reads KV does, goes on as a task.
"""

from __future__ import annotations

import asyncio
from asyncio import _set_running_loop
from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from pyodide.ffi import JsProxy, create_once_callable
from workers import import_from_javascript

Handler = TypeVar("Handler", bound=Callable[..., Any])
_follow = import_from_javascript("runtime/bridge.js").follow


def without_signature(handler: Handler) -> Handler:
    """Let Pyodide call a handler with what there is, in place of binding arguments by name.

    It does that at each request, in a quarter of all instructions that one takes here, to leave
    out arguments that a handler does not name; and it does not where `inspect` finds no
    signature, as with functions that are not written in Python.
    """
    handler.__signature__ = 0  # type: ignore[attr-defined]
    return handler


class JsPromise:
    """Awaits a JavaScript promise, driven or in a task; raises `JsException` when it fails."""

    __slots__ = ("_holder",)

    def __init__(self, holder: Any) -> None:
        """Take the object whose `promise` it is: one that a call gives is a future already."""
        self._holder = holder

    def __await__(self) -> Generator[Any, Any, Any]:
        """Give the promise to whoever drives, or to asyncio."""
        if CoroutineDriver.is_driving:
            return (yield self._holder)
        return (yield from self._holder.promise.__await__())


class CoroutineDriver:
    """Drives one coroutine, in a context of its own as a task's is.

    `is_driving` tells work that is driven now from that of tasks; nothing else runs meanwhile.
    """

    __slots__ = ("_context", "_loop", "_work")
    is_driving = False

    def __init__(self, work: Coroutine[Any, Any, Any]) -> None:
        """Take the work, which has not begun."""
        self._work = work
        self._loop = asyncio.get_event_loop()
        self._context = copy_context()

    def go_on(self, value: Any = None, error: BaseException | None = None) -> Any:
        """Run the work up to what it awaits next.

        `value` or `error` is what it awaited last. Gives its result, or what
        JavaScript can await to have that; raises what the work raises.
        """
        # As the loop does at each turn of its own: what starts a task asks which loop runs.
        _set_running_loop(self._loop)
        CoroutineDriver.is_driving = True
        try:
            if error is None:
                awaited = self._context.run(self._work.send, value)
            else:
                awaited = self._context.run(self._work.throw, error)
        except StopIteration as done:
            return done.value
        finally:
            CoroutineDriver.is_driving = False
        if isinstance(awaited, JsProxy):
            return _follow(awaited, create_once_callable(self.go_on)).promise
        return self._loop.create_task(_rest(self._work, awaited), context=self._context)


class _Rest:
    """The rest of some work; `awaited` is what it gave asyncio to wait for."""

    def __init__(self, work: Coroutine[Any, Any, Any], awaited: Any) -> None:
        self._work = work
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, Any]:
        awaited = self._awaited
        while True:
            try:
                value = yield awaited
            except BaseException as error:  # noqa: BLE001 (a cancellation is the work's as well)
                step = partial(self._work.throw, error)
            else:
                step = partial(self._work.send, value)
            try:
                awaited = step()
            except StopIteration as done:
                return done.value


async def _rest(work: Coroutine[Any, Any, Any], awaited: Any) -> Any:
    return await _Rest(work, awaited)
