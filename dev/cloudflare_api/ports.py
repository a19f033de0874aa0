"""What the routes need done: a store of scripts, one of values, and databases.

Each is there twice: `dev.cloudflare_api.local` keeps things where `make dev` finds them, and
`tests.cloudflare` keeps them in memory.
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
        """Return a script, `None` if there is none of that name."""

    async def write(self, script: Script) -> None:
        """Store a script in place of one of the same name, whole or not at all.

        Raises:
            ApiError: It cannot be run here.
        """

    async def remove(self, name: str) -> None:
        """Remove a script that is there.

        Raises:
            ApiError: It is not to be removed through this API.
        """


class DispatchNamespaces(Protocol):
    """The dispatch namespaces of the account."""

    def names(self) -> Sequence[str]:
        """Return the names of all, sorted."""

    def create(self, name: str) -> None:
        """Create an empty one, whose name is free.

        Raises:
            ApiError: There can be no other.
        """

    def remove(self, name: str) -> None:
        """Remove one that is there, with its scripts.

        Raises:
            ApiError: It cannot be removed.
        """

    def scripts(self, name: str) -> ScriptStore:
        """Return the scripts of one that is there."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A KV namespace.

    Args:
        id: 32 hexadecimal digits, or what stands for them locally.
        title: What people call it.
    """

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A key in a KV namespace, and what it holds.

    Args:
        key: At most 512 bytes.
        value: At most 25 MiB.
        metadata: JSON of at most 1,024 bytes; `None` for none.
        expiration: When it goes, in seconds since the epoch; `None` for never.
    """

    key: str
    value: bytes
    metadata: Any = None
    expiration: int | None = None


@dataclass(frozen=True, slots=True)
class KeyPage:
    """One page of a listing, values left out.

    Args:
        keys: Name, metadata and expiration of each, in order.
        cursor: Where the next page starts; empty at the end.
    """

    keys: Sequence[Entry]
    cursor: str


class KvNamespaces(Protocol):
    """The KV namespaces of the account, and what they hold."""

    async def namespaces(self) -> Sequence[Namespace]:
        """Return all, by title."""

    async def create(self, title: str) -> Namespace:
        """Create an empty one, whose title is free."""

    async def rename(self, namespace_id: str, title: str) -> None:
        """Give one that is there another title."""

    async def remove(self, namespace_id: str) -> None:
        """Remove one that is there.

        Raises:
            ApiError: It cannot be removed.
        """

    async def keys(self, namespace_id: str, prefix: str, limit: int, cursor: str) -> KeyPage:
        """Return a page of the keys that start with a prefix."""

    async def read(self, namespace_id: str, key: str) -> Entry | None:
        """Return an entry with its metadata; `None` if there is none."""

    async def values(self, namespace_id: str, keys: Sequence[str]) -> Mapping[str, bytes | None]:
        """Return the values of at most a hundred keys."""

    async def write(self, namespace_id: str, entries: Sequence[Entry]) -> None:
        """Store entries."""

    async def delete(self, namespace_id: str, keys: Sequence[str]) -> None:
        """Delete keys, there or not."""


@dataclass(frozen=True, slots=True)
class Database:
    """A D1 database.

    Args:
        id: A UUID, or what stands for one locally.
        name: What people call it.
        other_name: What they may call it as well; empty for nothing.
    """

    id: str
    name: str
    other_name: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """What one statement came to.

    Args:
        columns: The names of the columns.
        rows: The values of each row, in that order.
        meta: Duration, changes and the like, as the API reports them.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    meta: Mapping[str, Any]


class Databases(Protocol):
    """The D1 databases of the account."""

    async def databases(self) -> Sequence[Database]:
        """Return all, by name."""

    async def create(self, name: str) -> Database:
        """Create an empty one, whose name is free."""

    async def remove(self, database_id: str) -> None:
        """Remove one that is there.

        Raises:
            ApiError: It cannot be removed.
        """

    async def run(
        self, database_id: str, statements: Sequence[tuple[str, Sequence[Any]]]
    ) -> Sequence[Rows]:
        """Run SQL with its parameters, all of it or nothing.

        Raises:
            ApiError: SQLite refused it.
        """
