"""The stores that the routes use: scripts, KV and D1.

`dev.cloudflare_api.explorer` and `scripts` implement them for `make dev`, and
`tests.cloudflare` in memory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dev.cloudflare_api.scripts.upload import Script


class ScriptStore(Protocol):
    """The scripts of one dispatch namespace."""

    def names(self) -> Sequence[str]:
        """Return the names of all scripts, sorted."""

    def read(self, name: str) -> Script | None:
        """Return a script; `None` if it does not exist."""

    async def write(self, script: Script) -> None:
        """Create or replace a script, atomically.

        Raises:
            ApiError: It cannot run here.
        """

    async def remove(self, name: str) -> None:
        """Remove an existing script.

        Raises:
            ApiError: It cannot be removed through this API.
        """


class DispatchNamespaces(Protocol):
    """The dispatch namespaces of the account."""

    def names(self) -> Sequence[str]:
        """Return all names, sorted."""

    def create(self, name: str) -> None:
        """Create an empty namespace; the name is free.

        Raises:
            ApiError: No further namespace can be created.
        """

    def remove(self, name: str) -> None:
        """Remove an existing namespace with its scripts.

        Raises:
            ApiError: It cannot be removed.
        """

    def scripts(self, name: str) -> ScriptStore:
        """Return the scripts of an existing namespace."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A KV namespace.

    Args:
        id: 32 hexadecimal digits; locally, any text.
        title: Its title.
    """

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a KV namespace with its value.

    Args:
        key: At most 512 bytes.
        value: At most 25 MiB.
        metadata: JSON of at most 1,024 bytes; `None` for none.
        expiration: In seconds since the epoch; `None` for never.
    """

    key: str
    value: bytes
    metadata: Any = None
    expiration: int | None = None


@dataclass(frozen=True, slots=True)
class KeyPage:
    """One page of a listing, without values.

    Args:
        keys: Name, metadata and expiration of each key, in order.
        cursor: Start of the next page; empty on the last page.
    """

    keys: Sequence[Entry]
    cursor: str


class KvNamespaces(Protocol):
    """The KV namespaces of the account, with their entries."""

    async def namespaces(self) -> Sequence[Namespace]:
        """Return all namespaces, in any order."""

    async def create(self, title: str) -> Namespace:
        """Create an empty namespace; the title is free."""

    async def rename(self, namespace_id: str, title: str) -> None:
        """Change the title of an existing namespace."""

    async def remove(self, namespace_id: str) -> None:
        """Remove an existing namespace.

        Raises:
            ApiError: It cannot be removed.
        """

    async def keys(self, namespace_id: str, prefix: str, limit: int, cursor: str) -> KeyPage:
        """Return a page of the keys that start with a prefix."""

    async def read(self, namespace_id: str, key: str) -> Entry | None:
        """Return an entry with its metadata; `None` if it does not exist."""

    async def values(self, namespace_id: str, keys: Sequence[str]) -> Mapping[str, bytes | None]:
        """Return the values of at most 100 keys; `None` for missing ones."""

    async def write(self, namespace_id: str, entries: Sequence[Entry]) -> None:
        """Store entries."""

    async def delete(self, namespace_id: str, keys: Sequence[str]) -> None:
        """Delete keys; missing ones are ignored."""


@dataclass(frozen=True, slots=True)
class Database:
    """A D1 database.

    Args:
        id: A UUID; locally, any text.
        name: Its name.
        other_name: A second name that is accepted; empty for none.
    """

    id: str
    name: str
    other_name: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """The result of one statement.

    Args:
        columns: The names of the columns.
        rows: The values of each row, in that order.
        meta: Duration, number of changes and so on, as the API reports them.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    meta: Mapping[str, Any]


class Databases(Protocol):
    """The D1 databases of the account."""

    async def databases(self) -> Sequence[Database]:
        """Return all databases, in any order."""

    async def create(self, name: str) -> Database:
        """Create an empty database; the name is free."""

    async def remove(self, database_id: str) -> None:
        """Remove an existing database.

        Raises:
            ApiError: It cannot be removed.
        """

    async def run(
        self, database_id: str, statements: Sequence[tuple[str, Sequence[Any]]]
    ) -> Sequence[Rows]:
        """Run statements with their parameters in one transaction.

        Raises:
            ApiError: SQLite reported an error.
        """
