"""Runs a request's coroutine from promise to promise, without an asyncio task.

Each turn of Pyodide's event loop is a message that JavaScript posts to itself, and a task takes
five turns to await one promise: more than the rest of a request costs. So a request's coroutine
runs at once up to the promise that it awaits, and JavaScript resumes it when the promise is
settled. If it awaits an asyncio future, as KV reads do, the rest of it runs as a task.

This depends on three details that Pyodide does not document. `tests/runtime` pins them, and
`driver_failure` checks them when the Worker starts: where one is missing, handlers run as tasks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from pyodide.ffi import create_once_callable, run_sync
from workers import import_from_javascript

from core.logs import fields

Handler = TypeVar("Handler", bound=Callable[..., Any])
_bridge = import_from_javascript("runtime/bridge.js")
_follow = _bridge.follow
_LOGGER = logging.getLogger(__name__)
_running: set[Any] = set()
"""Tasks of `start`; asyncio itself keeps only weak references to them."""


def driven(handler: Callable[[Any, Any, Any], Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    """Let a `CoroutineDriver` run a handler of the Worker.

    If the runtime lacks what the driver needs, the handler stays a plain coroutine function,
    and the first request logs why.
    """
    failure = driver_failure()
    CoroutineDriver.is_usable = failure is None
    if failure is None:

        def drive(request: Any, environment: Any, context: Any) -> Any:
            return CoroutineDriver(handler(request, environment, context)).resume()

        return without_signature(drive)

    unreported = [failure]

    async def run_plainly(request: Any, environment: Any, context: Any) -> Any:
        if unreported:
            _LOGGER.warning("coroutine_driver_unavailable", extra=fields(cause=unreported.pop()))
        return await handler(request, environment, context)

    return run_plainly


def start(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that no caller waits for, and that first awaits a `JsPromise`.

    An exception of it is reported like that of any promise or task that nothing waits for.
    """
    if CoroutineDriver.is_usable:
        CoroutineDriver(coroutine).resume()
        return
    task = asyncio.ensure_future(coroutine)
    _running.add(task)
    task.add_done_callback(_running.discard)


def driver_failure() -> str | None:
    """Return why requests cannot be driven in this runtime, None if they can.

    Tries all three details as a request uses them: JavaScript calls a handler without
    signature; JavaScript resumes a coroutine by a plain call, which cannot switch stacks; and
    the coroutine then finds its event loop.
    """
    probe = _resumed()
    try:
        if _bridge.callRelaxed(without_signature(_third), 1, 2, 3) != 3:
            return "a handler without signature gets other arguments"
        if run_sync(CoroutineDriver(probe).resume()) is not True:
            return "a resumed coroutine has another result"
    except Exception as error:  # noqa: BLE001 (a missing detail may show as any exception)
        return f"{type(error).__name__}: {error}"
    finally:
        probe.close()
    return None


def without_signature(handler: Handler) -> Handler:
    """Make Pyodide pass arguments to a handler by position, without binding them by name.

    Pyodide binds them for each request, to leave out those that the handler does not name; that
    is a quarter of all instructions of a request. It does not if `inspect.signature` raises
    `TypeError`, as it does for this value of `__signature__`.
    """
    handler.__signature__ = 0  # type: ignore[attr-defined]
    return handler


class JsPromise:
    """Awaits a JavaScript promise, driven or in a task; raises `JsException` if it is rejected."""

    __slots__ = ("holder",)

    def __init__(self, holder: Any) -> None:
        """Take an object with the promise as `promise`: a returned promise would be a future."""
        self.holder = holder

    def __await__(self) -> Generator[Any, Any, Any]:
        """Yield this to the driver, or let asyncio wait for the promise."""
        if CoroutineDriver.is_driving:
            return (yield self)
        return (yield from self.holder.promise.__await__())


class CoroutineDriver:
    """Runs one coroutine, in a context of its own as a task does.

    `is_driving` is true while a coroutine is driven, and false in tasks. Nothing else can run
    in between. `is_usable` tells whether this runtime has what the driver needs.
    """

    __slots__ = ("_context", "_coroutine", "_loop")
    is_driving = False
    is_usable = False

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Take a coroutine that has not started."""
        self._coroutine = coroutine
        self._loop = asyncio.get_event_loop()
        self._context = copy_context()

    def resume(self, value: Any = None, error: BaseException | None = None) -> Any:
        """Run the coroutine up to what it awaits next.

        Args:
            value: The result of what it awaited last.
            error: What that raised instead; None if it raised nothing.

        Returns:
            The coroutine's result, or a promise or future of it.

        Raises whatever the coroutine raises.
        """
        # As Pyodide's event loop does for each callback: this call may have a thread state of its
        # own, without a running loop, and `asyncio.create_task` needs one.
        asyncio._set_running_loop(self._loop)  # noqa: SLF001
        CoroutineDriver.is_driving = True
        try:
            if error is None:
                awaited = self._context.run(self._coroutine.send, value)
            else:
                awaited = self._context.run(self._coroutine.throw, error)
        except StopIteration as done:
            return done.value
        finally:
            CoroutineDriver.is_driving = False
        # The type itself, because `isinstance` with `JsProxy` runs Python code.
        if type(awaited) is JsPromise:
            return _follow(awaited.holder, create_once_callable(self.resume)).promise
        return self._loop.create_task(_finish(self._coroutine, awaited), context=self._context)


class _Rest:
    """The rest of a coroutine that has yielded `awaited` for asyncio."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, Any]:
        awaited = self._awaited
        while True:
            try:
                value = yield awaited
            except BaseException as error:  # noqa: BLE001 (a cancellation concerns the coroutine)
                step = partial(self._coroutine.throw, error)
            else:
                step = partial(self._coroutine.send, value)
            try:
                awaited = step()
            except StopIteration as done:
                return done.value


async def _finish(coroutine: Coroutine[Any, Any, Any], awaited: Any) -> Any:
    return await _Rest(coroutine, awaited)


def _third(_first: int, _second: int, third: int) -> int:
    return third


async def _resumed() -> bool:
    await JsPromise(_bridge.settled())
    asyncio.get_running_loop()
    return True
