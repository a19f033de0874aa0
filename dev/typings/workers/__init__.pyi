# The part of workers-runtime-sdk that we use.
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

Handler = TypeVar("Handler", bound=Callable[..., Any])

def handler(func: Handler) -> Handler: ...
def import_from_javascript(module_name: str) -> Any: ...

class WorkerEntrypoint:
    ctx: Any
    env: Any
    def __init__(self, ctx: Any, env: Any) -> None: ...

class DurableObjectContext:
    _ctx: Any
    storage: Any
    def abort(self, reason: str | None = None) -> NoReturn: ...

class DurableObject:
    ctx: DurableObjectContext
    env: Any
    def __init__(self, ctx: Any, env: Any) -> None: ...

class Request:
    url: str
    method: str
    js_object: Any

class Response:
    js_object: Any
    def __init__(
        self,
        body: object = None,
        status: int = 200,
        status_text: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None: ...
    @classmethod
    def json(cls, data: object, status: int = 200, **options: Any) -> Response: ...
