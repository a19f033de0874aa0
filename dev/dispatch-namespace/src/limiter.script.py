"""Keeps the limits of one Python script, from inside its isolate.

What `limiter.script.js` does for JavaScript: counts subrequests by invocation, and times
what a handler computes. It can stop a handler where it awaits, and nowhere else.
"""

import functools
import inspect
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextvars import ContextVar
from types import FunctionType, ModuleType
from typing import Any, ParamSpec, TypeVar

import js

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

CPU_GRACE_SECONDS = 0.05
"""Added to cpuMs, because a busy machine may stop a thread for a while."""


class Invocation:
    """What one call from outside may still use.

    Args:
        limits: `cpuMs` and `subRequests`, either may be missing.
    """

    def __init__(self, limits: Mapping[str, float]) -> None:
        """Begin with all of it."""
        self._sub_requests = limits.get("subRequests", float("inf"))
        self._seconds = limits.get("cpuMs", float("inf")) / 1000 + CPU_GRACE_SECONDS

    def take_sub_request(self) -> None:
        """Count one.

        Raises:
            js.Error: There were as many as allowed before.
        """
        self._sub_requests -= 1
        if self._sub_requests < 0:
            raise js.Error.new("Too many subrequests by single Worker invocation.")

    def take_time_since(self, started: float) -> None:
        """Count time that was computed.

        Args:
            started: What `time.monotonic` said when it began.

        Raises:
            js.Error: It was more than allowed, all in all.
        """
        self._seconds -= time.monotonic() - started
        if self._seconds < 0:
            raise js.Error.new("Worker exceeded CPU time limit.")


current: ContextVar[Invocation | None] = ContextVar("current", default=None)
"""Tasks inherit it, so what a handler leaves to others counts too."""


def counting(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return the function, each call of which is a subrequest."""

    def counted(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        invocation = current.get()
        if invocation is not None:
            invocation.take_sub_request()
        return function(*args, **kwargs)

    return counted


# Before any module of the script, or of the SDK, can take hold of the plain one.
js.fetch = counting(js.fetch)

from workers import WorkerEntrypoint  # noqa: E402


class CountedBinding:
    """A KV binding whose methods count; all else, its type too, is the binding's."""

    def __init__(self, binding: Any) -> None:
        """Stand in front of a binding."""
        self._binding = binding

    def __getattr__(self, name: str) -> Any:
        """Return what the binding has by this name."""
        value = getattr(self._binding, name)
        return counting(value) if callable(value) and name != "constructor" else value


class CountedEnv:
    """The env of a script, its KV bindings counted."""

    def __init__(self, env: Any, kv_bindings: list[str]) -> None:
        """Stand in front of an env."""
        self._env = env
        self._kv_bindings = kv_bindings

    def __getattr__(self, name: str) -> Any:
        """Return the variable or binding of this name."""
        value = getattr(self._env, name)
        return CountedBinding(value) if name in self._kv_bindings else value


class Timed:
    """Awaits what a handler returned, as long as there is time left.

    Args:
        awaitable: Such as a coroutine that has not begun.
        invocation: What may be used.
    """

    def __init__(self, awaitable: Awaitable[Any], invocation: Invocation) -> None:
        """Begin nothing yet."""
        self._awaitable = awaitable
        self._invocation = invocation

    def __await__(self) -> Generator[Any, Any, Any]:
        """Run it step by step: a step is what it computes from one await to the next."""
        steps: Any = self._awaitable.__await__()
        step = functools.partial(next, steps)
        while True:
            started = time.monotonic()
            try:
                pending = step()
            except StopIteration as stop:
                self._invocation.take_time_since(started)
                return stop.value
            try:
                self._invocation.take_time_since(started)
            except BaseException:
                steps.close()
                raise
            try:
                answer = yield pending
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as error:  # noqa: BLE001 (it is the handler's to catch)
                step = functools.partial(steps.throw, error)
            else:
                step = functools.partial(steps.send, answer)


def limited(handler: Callable[..., Any], limits: Mapping[str, float]) -> Callable[..., Any]:
    """Return a handler that is limited when it is called from outside.

    Args:
        handler: A method; another handler may call it too, within its own limits.
        limits: Those of each invocation.
    """

    def invoke(*args: Any, **kwargs: Any) -> Any:
        invocation = Invocation(limits)
        current.set(invocation)
        started = time.monotonic()
        result = handler(*args, **kwargs)
        invocation.take_time_since(started)
        return Timed(result, invocation) if inspect.isawaitable(result) else result

    @functools.wraps(handler)
    def run(*args: Any, **kwargs: Any) -> Any:
        return (invoke if current.get() is None else handler)(*args, **kwargs)

    @functools.wraps(handler)
    async def run_async(*args: Any, **kwargs: Any) -> Any:
        return await run(*args, **kwargs)

    return run_async if inspect.iscoroutinefunction(handler) else run


def limit_class(entrypoint: type, limits: Mapping[str, float], kv_bindings: list[str]) -> None:
    """Limit all that can be called of an entrypoint.

    Args:
        entrypoint: A subclass of the SDK's WorkerEntrypoint; changed.
        limits: Those of each invocation.
        kv_bindings: The names of its KV bindings.
    """
    own = entrypoint.__mro__[: entrypoint.__mro__.index(WorkerEntrypoint)]
    for base in own:
        for name, method in list(vars(base).items()):
            if isinstance(method, FunctionType) and not name.startswith("_"):
                setattr(base, name, limited(method, limits))

    def construct(self: Any, ctx: Any, env: Any) -> None:
        # A base of this class may be an entrypoint of its own.
        is_first = not hasattr(self, "_is_counted")
        self._is_counted = True
        initialize(self, ctx, CountedEnv(env, kv_bindings) if is_first else env)

    initialize: Callable[[Any, Any, Any], None] = inspect.getattr_static(entrypoint, "__init__")
    type.__setattr__(entrypoint, "__init__", construct)


def front(script: ModuleType, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Limit a script's entrypoints.

    Args:
        script: Its main module.
        settings: `limits`, and `kvBindings`, the names of its KV bindings.

    Returns:
        What workerd is to find in the main module.
    """
    names = {name: value for name, value in vars(script).items() if not name.startswith("__")}
    for value in names.values():
        is_class = isinstance(value, type) and issubclass(value, WorkerEntrypoint)
        if is_class and value is not WorkerEntrypoint:
            limit_class(value, settings["limits"], settings["kvBindings"])
    return names
