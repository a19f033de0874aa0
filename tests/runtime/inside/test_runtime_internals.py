"""The three undocumented details of Pyodide that `runtime.coroutine_driver` depends on.

A failure here means that this runtime changed one of them: read the message, then the module.
"""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from pyodide import code
from pyodide.ffi import can_run_sync, create_once_callable
from workers import import_from_javascript

from runtime import coroutine_driver
from runtime.coroutine_driver import CoroutineDriver, JsPromise, driven, driver_failure

BRIDGE = import_from_javascript("runtime/bridge.js")


def respond(request: Any, environment: Any, context: Any) -> Any:
    """Stand for a handler."""
    return request, environment, context


async def continuation(check: Any) -> Any:
    """Call `check` where JavaScript resumes Python, and return what it returns."""
    return await BRIDGE.follow(BRIDGE.settled(), create_once_callable(check)).promise


def test_a_handler_without_signature_is_not_bound() -> None:
    """Pyodide treats `TypeError` of `inspect.signature` as "pass all arguments"."""
    assert code._relaxed_call_sig(respond) is not None, (
        "Pyodide no longer binds the arguments of a handler: `without_signature` is not needed."
    )
    assert code._relaxed_call_sig(coroutine_driver.without_signature(_copy())) is None, (
        "Pyodide binds the arguments of a handler with an invalid `__signature__`:"
        " `without_signature` saves nothing now, find another way or remove it."
    )


def test_a_handler_without_signature_gets_the_arguments_by_position() -> None:
    """Called from JavaScript as workerd calls handlers."""
    handler = coroutine_driver.without_signature(_copy())
    assert tuple(BRIDGE.callRelaxed(handler, 1, 2, 3)) == (1, 2, 3), (
        "JavaScript cannot call a handler with an invalid `__signature__`: remove"
        " `without_signature`, which costs a quarter of the instructions of a request."
    )


async def test_a_continuation_runs_without_stack_switching() -> None:
    """JavaScript may call Python again from a promise, as a plain call."""
    assert await continuation(lambda _: can_run_sync()) is False, (
        "Pyodide runs continuations on a stack that can switch: check whether that costs time,"
        " and whether `CoroutineDriver.is_driving` still excludes all other code."
    )


async def test_the_running_loop_can_be_set_in_a_continuation() -> None:
    """A driven coroutine starts tasks, also where no loop was running on the thread state."""
    loop = asyncio.get_running_loop()

    async def work() -> str:
        await JsPromise(BRIDGE.settled())
        assert asyncio.get_running_loop() is loop
        return await asyncio.create_task(_value())

    def drive(_: Any) -> Any:
        asyncio._set_running_loop(None)
        return CoroutineDriver(work()).resume()

    assert hasattr(asyncio, "_set_running_loop"), (
        "asyncio has no `_set_running_loop`: `CoroutineDriver.resume` needs another way to make"
        " Pyodide's event loop the running one."
    )
    assert await continuation(drive) == "value", (
        "`asyncio._set_running_loop` has no effect in a call from JavaScript."
    )


def test_this_runtime_has_all_that_the_driver_needs() -> None:
    """So the Worker drives its requests."""
    assert driver_failure() is None, f"Requests run as asyncio tasks here: {driver_failure()}"


@pytest.mark.parametrize("missing", ["signature", "loop", "continuation"])
async def test_the_driver_is_not_used_where_a_detail_is_missing(
    missing: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The handler then stays a coroutine function, and the first request logs why."""
    match missing:
        case "signature":
            monkeypatch.setattr(code, "_relaxed_call_sig_cached", _raise)
        case "loop":
            # Without `_set_running_loop`, which Pyodide's event loop needs as well.
            names = ("get_event_loop", "get_running_loop")
            rest = SimpleNamespace(**{name: getattr(asyncio, name) for name in names})
            monkeypatch.setattr(coroutine_driver, "asyncio", rest)
        case "continuation":
            monkeypatch.setattr(coroutine_driver, "create_once_callable", _raise)

    async def handler(request: Any, environment: Any, context: Any) -> Any:
        await JsPromise(BRIDGE.settled())
        return respond(request, environment, context)

    fallback = driven(handler)
    for _ in range(2):
        assert await fallback(1, 2, 3) == (1, 2, 3)
    assert [record.message for record in caplog.records] == ["coroutine_driver_unavailable"]
    (logged,) = (vars(record)["fields"]["cause"] for record in caplog.records)
    assert logged


def _copy() -> Any:
    def handler(request: Any, environment: Any, context: Any) -> Any:
        return respond(request, environment, context)

    return handler


def _raise(*_: Any) -> Any:
    raise TypeError("this runtime has changed")


async def _value() -> str:
    return "value"
