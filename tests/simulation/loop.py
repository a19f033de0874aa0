"""An event loop on virtual time, whose order of events is determined by a seed.

Work belongs to a scope, an invocation of an isolate, which is found through its context. Work of
a scope that has ended is never resumed, and its `finally` blocks do not run, as when workerd
drops a request or an isolate.
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

STEPS_MAX = 40_000
"""Steps of a run; one that takes more does not end."""

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


class EndlessRun(Exception):
    """A run does not come to an end."""


class Scope(Protocol):
    """The owner of work."""

    def may_run(self) -> bool:
        """Count a step; return whether it may run."""
        ...

    def has_ended(self) -> bool:
        """Return whether no further step will run."""
        ...


SCOPE: ContextVar[Scope | None] = ContextVar("SCOPE", default=None)


class VirtualLoop(asyncio.AbstractEventLoop):
    """Implements only what tasks, futures, `gather` and timers need of a loop."""

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
        # The name identifies the scope when only the task's exception is left.
        self._scopes.append(SCOPE.get() if context is None else context.get(SCOPE))
        task = asyncio.Task(coro, loop=self, name=str(len(self._scopes) - 1), context=context)
        # A dead isolate leaves its tasks pending on purpose.
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
            # The work that would have handled the exception has ended.
            if scope is not None and scope.has_ended():
                return
        self.problems.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: cancelled timers are skipped when they are due."""

    def keep(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Keep a reference to work that may be dropped, or Python would run its `finally`."""
        self._coroutines.append(coroutine)

    def dispose(self) -> None:
        """Close all dropped work after the run."""
        for coroutine in self._coroutines:
            for _ in range(_CLOSINGS_MAX):
                # Work that awaits while it is closed must be closed again.
                with suppress(Exception):
                    coroutine.close()
                    break
        self._coroutines.clear()
        self._timers.clear()
        self._ready.clear()

    def run(self, until_ms: float) -> None:
        """Run everything that is due until `until_ms`, and advance the time to it."""
        asyncio._set_running_loop(self)
        try:
            while self._ready or (self._timers and self._timers[0][0] <= until_ms):
                self._step()
                if self.steps > STEPS_MAX:
                    raise EndlessRun(f"{self.steps} steps until {self.now_ms}")
        finally:
            asyncio._set_running_loop(None)
        self.now_ms = max(self.now_ms, until_ms)

    def _step(self) -> None:
        ready = self._ready
        if ready:
            # Ready work may run in any order, so the seed chooses one.
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
