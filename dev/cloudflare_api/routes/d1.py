"""Routes of D1 databases and SQL statements.

https://developers.cloudflare.com/api/resources/d1/
"""

from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dev.cloudflare_api.ports import Database, Databases, Rows
from dev.cloudflare_api.responses import (
    DATABASE_NOT_FOUND,
    DATABASE_TAKEN,
    InvalidError,
    NotFoundError,
    json_object,
    paged,
    success,
    text_field,
)

ROOT: Final = "/accounts/{account}/d1/database"


class D1Routes:
    """The routes of D1.

    Args:
        databases: The store.
    """

    def __init__(self, databases: Databases) -> None:
        """Keep the argument."""
        self._databases = databases

    def routes(self) -> list[Route]:
        """Return the routes."""
        one = f"{ROOT}/{{database}}"
        return [
            Route(ROOT, self.index, methods=["GET"]),
            Route(ROOT, self.create, methods=["POST"]),
            Route(one, self.get, methods=["GET"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(f"{one}/query", self.query, methods=["POST"]),
            Route(f"{one}/raw", self.raw, methods=["POST"]),
        ]

    async def index(self, request: Request) -> Response:
        """List the databases."""
        wanted = request.query_params.get("name", "").lower()
        found = sorted(await self._databases.databases(), key=lambda one: one.name)
        return paged([_described(one) for one in found if wanted in one.name.lower()], request)

    async def create(self, request: Request) -> Response:
        """Create a database."""
        name = text_field(await json_object(request), "name")
        if any(one.name == name for one in await self._databases.databases()):
            raise InvalidError(
                f"Database with name '{name}' already exists, please choose a different name",
                code=DATABASE_TAKEN,
            )
        return success(_described(await self._databases.create(name)))

    async def get(self, request: Request) -> Response:
        """Describe a database, by its id or its name."""
        return success(_described(await self._found(request)))

    async def remove(self, request: Request) -> Response:
        """Remove a database."""
        await self._databases.remove((await self._found(request)).id)
        return success(None)

    async def query(self, request: Request) -> Response:
        """Run SQL; rows are objects."""
        results = await self._run(request)
        return success(
            [
                _result(one, [dict(zip(one.columns, row, strict=True)) for row in one.rows])
                for one in results
            ]
        )

    async def raw(self, request: Request) -> Response:
        """Run SQL; rows are lists."""
        results = await self._run(request)
        return success(
            [
                _result(one, {"columns": [*one.columns], "rows": [[*row] for row in one.rows]})
                for one in results
            ]
        )

    async def _run(self, request: Request) -> Sequence[Rows]:
        database = await self._found(request)
        document = await json_object(request)
        batch = document.get("batch", [document])
        if not isinstance(batch, list) or not all(isinstance(one, dict) for one in batch):
            raise InvalidError("batch must be a list of statements.")
        statements = [(text_field(one, "sql"), one.get("params") or []) for one in batch]
        return await self._databases.run(database.id, statements)

    async def _found(self, request: Request) -> Database:
        wanted = request.path_params["database"]
        for one in await self._databases.databases():
            if wanted in (one.id, one.name, one.other_name):
                return one
        raise NotFoundError(f"The database {wanted} could not be found", code=DATABASE_NOT_FOUND)


def _described(database: Database) -> dict[str, Any]:
    return {"uuid": database.id, "name": database.name, "version": "production"}


def _result(one: Rows, results: object) -> dict[str, Any]:
    return {"success": True, "results": results, "meta": dict(one.meta)}
