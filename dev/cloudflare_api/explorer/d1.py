"""The local databases of a running dispatcher, as the routes need them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from dev.cloudflare_api.explorer.client import Explorer
from dev.cloudflare_api.explorer.created import Created
from dev.cloudflare_api.ports import Database, Rows
from dev.cloudflare_api.responses import DATABASE_QUERY, ApiError, InvalidError, NotHereError

ROOT = "/d1/database"


class ExplorerDatabases:
    """D1 behind a dispatcher's explorer.

    Args:
        explorer: The way there.
        created: The databases that were created through the API.
        names: The name of each database that the dispatcher binds, by its binding.
    """

    def __init__(self, explorer: Explorer, created: Created, names: Mapping[str, str]) -> None:
        """Keep the arguments."""
        self._explorer = explorer
        self._created = created
        self._names = names

    async def databases(self) -> Sequence[Database]:
        """Return those that the dispatcher binds, named as the binding, and those created."""
        envelope = await self._explorer.ask("GET", ROOT)
        bound = {one["uuid"]: one["name"] for one in envelope["result"]}
        return [
            Database(one_id, name, self._names.get(name, ""))
            for one_id, name in {**self._created.names(), **bound}.items()
        ]

    async def create(self, name: str) -> Database:
        """Create one."""
        database = Database(str(uuid4()), name)
        self._created.put(database.id, name)
        return database

    async def remove(self, database_id: str) -> None:
        """Forget one that was created; what it holds stays in STATE, where nothing finds it."""
        if database_id not in self._created.names():
            raise NotHereError(
                "The local dispatcher's configuration binds this database: it stays as it is."
            )
        self._created.forget(database_id)

    async def run(
        self, database_id: str, statements: Sequence[tuple[str, Sequence[Any]]]
    ) -> Sequence[Rows]:
        """Run SQL; statements of one text are run in turn, as D1 does it."""
        batch = [{"sql": sql, "params": [*parameters]} for sql, parameters in statements]
        document: dict[str, Any] = batch[0] if len(batch) == 1 else {"batch": batch}
        try:
            envelope = await self._explorer.ask(
                "POST", f"{ROOT}/{database_id}/raw", document=document
            )
        except InvalidError as error:
            raise InvalidError(error.message, code=DATABASE_QUERY) from error
        return [_rows(one) for one in envelope["result"]]


def _rows(result: Mapping[str, Any]) -> Rows:
    if not result.get("success", True):
        raise ApiError(str(result.get("error")), status=400, code=DATABASE_QUERY)
    found = result["results"]
    return Rows(found["columns"], found["rows"], result.get("meta", {}))
