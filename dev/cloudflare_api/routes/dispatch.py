"""Routes of dispatch namespaces and their scripts.

https://developers.cloudflare.com/api/resources/workers_for_platforms/
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dev.cloudflare_api.ports import DispatchNamespaces, ScriptStore
from dev.cloudflare_api.responses import (
    DISPATCH_NAMESPACE_NOT_FOUND,
    DISPATCH_NAMESPACE_TAKEN,
    DISPATCHED_SCRIPT_NOT_FOUND,
    INVALID_SCRIPT,
    ConflictError,
    InvalidError,
    NotFoundError,
    json_object,
    success,
    text_field,
)
from dev.cloudflare_api.routes.scripts import ScriptRoutes, described

ROOT: Final = "/accounts/{account}/workers/dispatch/namespaces"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class DispatchRoutes:
    """The routes of dispatch namespaces.

    Args:
        namespaces: The store.
    """

    def __init__(self, namespaces: DispatchNamespaces) -> None:
        """Keep the argument."""
        self._namespaces = namespaces

    def routes(self) -> list[Route]:
        """Return the routes, including those of the scripts."""
        one = f"{ROOT}/{{namespace}}"
        scripts = ScriptRoutes(
            f"{one}/scripts/{{script}}", self._scripts, DISPATCHED_SCRIPT_NOT_FOUND
        )
        return [
            Route(ROOT, self.index, methods=["GET"]),
            Route(ROOT, self.create, methods=["POST"]),
            Route(one, self.get, methods=["GET"]),
            Route(one, self.delete, methods=["DELETE"]),
            Route(f"{one}/scripts", self.list_scripts, methods=["GET"]),
            *scripts.routes(),
        ]

    async def index(self, _request: Request) -> Response:
        """List the namespaces."""
        return success([self._described(name) for name in self._namespaces.names()])

    async def create(self, request: Request) -> Response:
        """Create a namespace."""
        name = text_field(await json_object(request), "name")
        if not _NAME.fullmatch(name):
            raise InvalidError(
                "The name of a dispatch namespace consists of a-z, 0-9, - and _.",
                code=INVALID_SCRIPT,
            )
        if name in self._namespaces.names():
            raise ConflictError(
                f"A dispatch namespace named {name} already exists.",
                code=DISPATCH_NAMESPACE_TAKEN,
            )
        self._namespaces.create(name)
        return success(self._described(name))

    async def get(self, request: Request) -> Response:
        """Describe a namespace."""
        return success(self._described(self._found(request)))

    async def delete(self, request: Request) -> Response:
        """Remove a namespace."""
        self._namespaces.remove(self._found(request))
        return success(None)

    async def list_scripts(self, request: Request) -> Response:
        """List the scripts of a namespace; `tags=a:yes,b:no` filters by tags."""
        store = self._scripts(request)
        scripts = [store.read(name) for name in store.names()]
        wanted = _tag_filter(request.query_params.get("tags", ""))
        return success(
            [
                described(script) | {"dispatch_namespace": request.path_params["namespace"]}
                for script in scripts
                if script is not None
                and all((tag in script.tags) is there for tag, there in wanted.items())
            ]
        )

    def _scripts(self, request: Request) -> ScriptStore:
        return self._namespaces.scripts(self._found(request))

    def _found(self, request: Request) -> str:
        name: str = request.path_params["namespace"]
        if name not in self._namespaces.names():
            raise NotFoundError(
                "The specified dispatch namespace does not exist on this account.",
                code=DISPATCH_NAMESPACE_NOT_FOUND,
            )
        return name

    def _described(self, name: str) -> Mapping[str, Any]:
        return {
            "namespace_id": str(uuid5(NAMESPACE_URL, f"dispatch-namespace/{name}")),
            "namespace_name": name,
            "script_count": len(self._namespaces.scripts(name).names()),
            "trusted_workers": False,
        }


def _tag_filter(text: str) -> dict[str, bool]:
    wanted = {}
    for part in filter(None, text.split(",")):
        tag, separator, word = part.rpartition(":")
        if not separator or word not in ("yes", "no"):
            raise InvalidError("tags must be of the form TAG:yes,TAG:no.")
        wanted[tag] = word == "yes"
    return wanted
