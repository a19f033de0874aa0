"""The D1 databases of a running dispatcher."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from dev.cloudflare_api.explorer.client import Explorer
from dev.cloudflare_api.explorer.created import CreatedNames
from dev.cloudflare_api.ports import Database, Rows
from dev.cloudflare_api.responses import DATABASE_QUERY, ApiError, InvalidError, UnsupportedError

ROOT = "/d1/database"


class ExplorerDatabases:
    """D1 behind a dispatcher's explorer.

    Args:
        explorer: The client.
        created: The databases that were created through the API.
        names: Binding to name of each database that the dispatcher binds.
    """

    def __init__(self, explorer: Explorer, created: CreatedNames, names: Mapping[str, str]) -> None:
        """Keep the arguments."""
        self._explorer = explorer
        self._created = created
        self._names = names

    async def databases(self) -> Sequence[Database]:
        """Return the bound databases, named like their binding, and the created ones."""
        envelope = await self._explorer.request("GET", ROOT)
        bound = {one["uuid"]: one["name"] for one in envelope["result"]}
        return [
            Database(one_id, name, self._names.get(name, ""))
            for one_id, name in {**self._created.names(), **bound}.items()
        ]

    async def create(self, name: str) -> Database:
        """Create a database."""
        database = Database(str(uuid4()), name)
        self._created.put(database.id, name)
        return database

    async def remove(self, database_id: str) -> None:
        """Remove a created database from the list; its file stays in STATE."""
        if database_id not in self._created.names():
            raise UnsupportedError(
                "The dispatcher's configuration binds this database; it cannot be removed."
            )
        self._created.remove(database_id)

    async def run(
        self, database_id: str, statements: Sequence[tuple[str, Sequence[Any]]]
    ) -> Sequence[Rows]:
        """Run statements; one `sql` may contain several, as with D1."""
        batch = [{"sql": sql, "params": [*parameters]} for sql, parameters in statements]
        document: dict[str, Any] = batch[0] if len(batch) == 1 else {"batch": batch}
        try:
            envelope = await self._explorer.request(
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
