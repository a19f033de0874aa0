"""An event loop on virtual time, whose whole order of events comes from one seed.

Owns time, the order of what is ready, and who may still run: work belongs to a
scope (an invocation of an isolate), found through its context, and work of a
scope that has ended is never resumed. Its `finally` blocks do not run either,
just as workerd drops a request or an isolate.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import suppress
from contextvars import Context, ContextVar
from random import Random
from typing import Any, Protocol, TypeVar, TypeVarTuple, Unpack

_CLOSINGS_MAX = 10

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


class Scope(Protocol):
    """What work belongs to."""

    def may_run(self) -> bool:
        """Tell whether the next step of this scope's work is taken or all of it is over."""
        ...

    def has_ended(self) -> bool:
        """Tell whether no step will be taken any more."""
        ...


SCOPE: ContextVar[Scope | None] = ContextVar("SCOPE", default=None)


class VirtualLoop(asyncio.AbstractEventLoop):
    """The least that tasks, futures, `gather` and timers need of a loop."""

    def __init__(self, random: Random, now_ms: float) -> None:
        self.now_ms = now_ms
        self.steps = 0
        self.problems: list[str] = []
        self._random = random
        self._ready: list[asyncio.Handle] = []
        self._timers: list[tuple[float, float, asyncio.Handle]] = []
        self._scopes: list[Scope | None] = []
        self._coroutines: list[Coroutine[Any, Any, Any]] = []

    def time(self) -> float:
        return self.now_ms / 1000

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return asyncio._get_running_loop() is self

    def is_closed(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, Result] | Coroutine[Any, Any, Result],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[Result]:
        del name
        if asyncio.iscoroutine(coro):
            self.keep(coro)
        # The name leads to the scope, for when nothing else of the task is left.
        self._scopes.append(SCOPE.get() if context is None else context.get(SCOPE))
        task = asyncio.Task(coro, loop=self, name=str(len(self._scopes) - 1), context=context)
        # Whoever dies leaves its tasks pending; that is what is simulated.
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        return task

    def call_soon(
        self,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when * 1000, self._random.random(), handle))
        return handle

    def call_exception_handler(self, context: Mapping[str, Any]) -> None:
        task = context.get("task") or context.get("future")
        if isinstance(task, asyncio.Task):
            scope = self._scopes[int(task.get_name())]
            # Whoever would have taken the exception has ended meanwhile.
            if scope is not None and scope.has_ended():
                return
        self.problems.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Leave it in the heap; it is passed over when its time comes."""

    def keep(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Keep work that may be dropped: Python would end it, `finally` blocks and all."""
        self._coroutines.append(coroutine)

    def dispose(self) -> None:
        """End everything that was dropped, once the run is over and nothing can come of it."""
        for coroutine in self._coroutines:
            for _ in range(_CLOSINGS_MAX):
                # Work that awaits while it ends, to give something back, has to be told again.
                with suppress(RuntimeError):
                    coroutine.close()
                    break
        self._coroutines.clear()
        self._timers.clear()
        self._ready.clear()

    def run(self, until_ms: float) -> None:
        """Run everything that happens until then; time stands at `until_ms` afterwards."""
        asyncio._set_running_loop(self)
        try:
            while self._ready or (self._timers and self._timers[0][0] <= until_ms):
                self._step()
        finally:
            asyncio._set_running_loop(None)
        self.now_ms = max(self.now_ms, until_ms)

    def _step(self) -> None:
        ready = self._ready
        if ready:
            # Any order of what is ready may happen, so the seed chooses one.
            chosen = int(self._random.random() * len(ready))
            ready[chosen], ready[-1] = ready[-1], ready[chosen]
            handle = ready.pop()
        else:
            when_ms, _, handle = heapq.heappop(self._timers)
            self.now_ms = max(self.now_ms, when_ms)
        if handle.cancelled():
            return
        scope = handle._context.get(SCOPE)  # type: ignore[attr-defined]
        if scope is None or scope.may_run():
            self.steps += 1
            handle._run()
