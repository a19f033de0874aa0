# The part of pyodide.ffi that we use (https://pyodide.org/en/stable/usage/api/python-api/ffi.html).
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

_Result = TypeVar("_Result")

class JsProxy:
    def __getattr__(self, name: str) -> Any: ...

class JsException(Exception):  # noqa: N818
    name: str
    message: str
    stack: str

jsnull: JsProxy

def to_js(
    obj: object,
    /,
    *,
    depth: int = -1,
    create_pyproxies: bool = True,
    dict_converter: Callable[[Iterable[Any]], Any] | None = None,
) -> Any: ...
def create_once_callable(function: Callable[..., object], /) -> Any: ...
def create_proxy(obj: object, /, *, capture_this: bool = False, roundtrip: bool = True) -> Any: ...
def can_run_sync() -> bool: ...
def run_sync(awaitable: Awaitable[_Result], /) -> _Result: ...
