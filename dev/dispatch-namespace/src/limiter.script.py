"""Enforces the limits of a Python script, inside its isolate.

Like `limiter.script.js` for JavaScript, it counts the subrequests of each invocation and
measures the computing time of a handler. It can stop a handler only at an await.
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
"""Tolerance, because a busy machine may suspend a thread for a while."""


class Invocation:
    """The remaining subrequests and computing time of one invocation.

    Args:
        limits: `cpuMs` and `subRequests`; both are optional.
    """

    def __init__(self, limits: Mapping[str, float]) -> None:
        """Start with the full limits."""
        self._sub_requests = limits.get("subRequests", float("inf"))
        self._seconds = limits.get("cpuMs", float("inf")) / 1000 + CPU_GRACE_SECONDS

    def take_sub_request(self) -> None:
        """Count a subrequest.

        Raises:
            js.Error: The limit is exceeded.
        """
        self._sub_requests -= 1
        if self._sub_requests < 0:
            raise js.Error.new("Too many subrequests by single Worker invocation.")

    def take_time_since(self, started: float) -> None:
        """Count computing time.

        Args:
            started: `time.monotonic()` at the start.

        Raises:
            js.Error: The limit is exceeded.
        """
        self._seconds -= time.monotonic() - started
        if self._seconds < 0:
            raise js.Error.new("Worker exceeded CPU time limit.")


current: ContextVar[Invocation | None] = ContextVar("current", default=None)
"""Tasks inherit it, so those that a handler creates are counted too."""


def counting(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return a function whose calls are counted as subrequests."""

    def counted(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        invocation = current.get()
        if invocation is not None:
            invocation.take_sub_request()
        return function(*args, **kwargs)

    return counted


# Before any module of the script or the SDK can keep a reference to the original.
js.fetch = counting(js.fetch)

from workers import WorkerEntrypoint  # noqa: E402


class CountedBinding:
    """A KV binding whose method calls are counted; all other attributes are the binding's."""

    def __init__(self, binding: Any) -> None:
        """Wrap a binding."""
        self._binding = binding

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the binding, with methods counted."""
        value = getattr(self._binding, name)
        return counting(value) if callable(value) and name != "constructor" else value


class CountedEnv:
    """The env of a script, with counted KV bindings."""

    def __init__(self, env: Any, kv_bindings: list[str]) -> None:
        """Wrap an env."""
        self._env = env
        self._kv_bindings = kv_bindings

    def __getattr__(self, name: str) -> Any:
        """Return a variable or binding."""
        value = getattr(self._env, name)
        return CountedBinding(value) if name in self._kv_bindings else value


class Timed:
    """Awaits the result of a handler until the computing time is used up.

    Args:
        awaitable: The result, such as a coroutine that has not started.
        invocation: The invocation with its limits.
    """

    def __init__(self, awaitable: Awaitable[Any], invocation: Invocation) -> None:
        """Keep the arguments."""
        self._awaitable = awaitable
        self._invocation = invocation

    def __await__(self) -> Generator[Any, Any, Any]:
        """Run step by step; a step is the computation between two awaits."""
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
                value = yield pending
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as error:  # noqa: BLE001 (passed to the handler)
                step = functools.partial(steps.throw, error)
            else:
                step = functools.partial(steps.send, value)


def limited(handler: Callable[..., Any], limits: Mapping[str, float]) -> Callable[..., Any]:
    """Return a handler with limits on its calls from outside.

    Args:
        handler: A method. Calls from other handlers count to the limits of their invocation.
        limits: The limits of each invocation.
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
    """Limit all public methods of an entrypoint.

    Args:
        entrypoint: A subclass of the SDK's WorkerEntrypoint; modified.
        limits: The limits of each invocation.
        kv_bindings: The names of its KV bindings.
    """
    own = entrypoint.__mro__[: entrypoint.__mro__.index(WorkerEntrypoint)]
    for base in own:
        for name, method in list(vars(base).items()):
            if isinstance(method, FunctionType) and not name.startswith("_"):
                setattr(base, name, limited(method, limits))

    def construct(self: Any, ctx: Any, env: Any) -> None:
        # A base class may be an entrypoint too, and must not wrap the env again.
        is_first = not hasattr(self, "_is_counted")
        self._is_counted = True
        initialize(self, ctx, CountedEnv(env, kv_bindings) if is_first else env)

    initialize: Callable[[Any, Any, Any], None] = inspect.getattr_static(entrypoint, "__init__")
    type.__setattr__(entrypoint, "__init__", construct)


def front(script: ModuleType, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Limit a script's entrypoints.

    Args:
        script: Its main module.
        settings: `limits` and `kvBindings`, the names of its KV bindings.

    Returns:
        The names to export from the main module.
    """
    names = {name: value for name, value in vars(script).items() if not name.startswith("__")}
    for value in names.values():
        is_class = isinstance(value, type) and issubclass(value, WorkerEntrypoint)
        if is_class and value is not WorkerEntrypoint:
            limit_class(value, settings["limits"], settings["kvBindings"])
    return names
