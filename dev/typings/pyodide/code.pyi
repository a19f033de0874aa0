# Private parts of pyodide.code, which a test pins.
from collections.abc import Callable
from inspect import Signature

def _relaxed_call_sig(func: Callable[..., object]) -> Signature | None: ...
