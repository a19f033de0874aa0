"""Lists and creates an account's KV namespaces, D1 databases and dispatch namespaces.

Creating is idempotent by name: an existing store is returned, also if it was created concurrently.
Cloudflare does not allow two KV namespaces with the same title.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import cloudflare
from rich.console import Console
from rich.table import Table

from cli.account_api import explained, open_account
from cli.errors import AccessError, InputError
from cli.output import NOTHING_CHANGED, Output
from cli.targets import Target

KV_TITLE_CHARACTERS_MAX: Final = 512
PAGE_ENTRIES: Final = 100

_STATUSES_NAME_TAKEN = (400, 409)


@dataclass(frozen=True, slots=True)
class Store:
    """An existing store.

    Args:
        name: Its title or name.
        id: The id for bindings; a dispatch namespace's id is its name.
    """

    name: str
    id: str


@dataclass(frozen=True, slots=True)
class Created:
    """The result of creating a store.

    Args:
        store: The store.
        is_new: Whether it did not exist before.
    """

    store: Store
    is_new: bool


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of one account.

    Args:
        client: A client for the account's API.
        account_id: The account.
    """

    client: cloudflare.Cloudflare
    account_id: str

    def kv_namespaces(self) -> Sequence[Store]:
        """Return the KV namespaces, sorted by title."""
        with explained("listing KV namespaces"):
            found = _distinct(
                Store(one.title, one.id)
                for one in self.client.kv.namespaces.list(
                    account_id=self.account_id, per_page=PAGE_ENTRIES, order="title"
                )
            )
        return sorted(found, key=lambda store: store.name)

    def databases(self) -> Sequence[Store]:
        """Return the D1 databases, sorted by name."""
        with explained("listing D1 databases"):
            found = _distinct(
                Store(one.name or "", one.uuid or "")
                for one in self.client.d1.database.list(
                    account_id=self.account_id, per_page=PAGE_ENTRIES
                )
            )
        return sorted(found, key=lambda store: store.name)

    def dispatch_namespaces(self) -> Sequence[Store]:
        """Return the dispatch namespaces, sorted by name."""
        with _subscribed(), explained("listing dispatch namespaces"):
            page = self.client.workers_for_platforms.dispatch.namespaces.list(
                account_id=self.account_id
            )
            names = sorted(one.namespace_name or "" for one in page.result)
        return [Store(name, name) for name in names]

    def create_kv_namespace(self, title: str) -> Created:
        """Create a KV namespace with this title, unless it exists."""

        def create() -> Store:
            created = self.client.kv.namespaces.create(account_id=self.account_id, title=title)
            if created is None:
                raise InputError(
                    f"Cloudflare did not create the KV namespace {title!r}, without a reason.",
                    "Run the same command again.",
                )
            return Store(created.title, created.id)

        return _create(f"creating the KV namespace {title!r}", title, self.kv_namespaces, create)

    def create_database(self, name: str) -> Created:
        """Create a D1 database with this name, unless it exists."""

        def create() -> Store:
            created = self.client.d1.database.create(account_id=self.account_id, name=name)
            return Store(created.name or name, created.uuid or "")

        return _create(f"creating the D1 database {name!r}", name, self.databases, create)

    def create_dispatch_namespace(self, name: str) -> Created:
        """Create a dispatch namespace with this name, unless it exists."""

        def create() -> Store:
            created = self.client.workers_for_platforms.dispatch.namespaces.create(
                account_id=self.account_id, name=name
            )
            new_name = (created and created.namespace_name) or name
            return Store(new_name, new_name)

        return _create(
            f"creating the dispatch namespace {name!r}", name, self.dispatch_namespaces, create
        )


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of store.

    Args:
        what: Its name for people.
        key: The field of the list in JSON.
        find: Lists the stores.
        create: Creates a store by its name.
    """

    what: str
    key: str
    find: Callable[[Stores], Sequence[Store]]
    create: Callable[[Stores, str], Created]


KV: Final = Kind("KV namespace", "namespaces", Stores.kv_namespaces, Stores.create_kv_namespace)
DISPATCH: Final = Kind(
    "dispatch namespace", "namespaces", Stores.dispatch_namespaces, Stores.create_dispatch_namespace
)


def create_store(kind: Kind, name: str, target: Target, *, execute: bool, as_json: bool) -> None:
    """Create a store unless it exists, and print the result.

    Args:
        kind: The kind of store.
        name: Its name or title.
        target: The account.
        execute: Whether to create it, instead of only checking whether it exists.
        as_json: Whether to print JSON.

    Raises:
        CommandError: Cloudflare rejected the request or could not be reached.
    """
    output = Output(as_json=as_json)
    account = target.account
    with open_account(account) as client, output.working(f"Looking up {kind.what} {name} …"):
        stores = Stores(client, account.account_id)
        found = named(kind.find(stores), name)
        created = Created(found, is_new=False) if found else None
        if created is None and execute:
            created = kind.create(stores, name)
    document = {
        "name": name,
        "id": created.store.id if created else None,
        "exists": created is not None,
        "created": created.is_new if created else False,
    }

    def show(console: Console) -> None:
        if created is None:
            line = f"Would create the {kind.what} {name}. {NOTHING_CHANGED}"
        elif created.is_new:
            line = f"Created the {kind.what} {name}{_with_id(created.store)}."
        else:
            line = f"The {kind.what} {name} exists{_with_id(created.store)}. Nothing to do."
        console.print(line, markup=False)

    output.result(document, show)


def list_stores(kind: Kind, target: Target, *, as_json: bool) -> None:
    """Print all stores of a kind.

    Args:
        kind: The kind of store.
        target: The account.
        as_json: Whether to print JSON.

    Raises:
        CommandError: Cloudflare rejected the request or could not be reached.
    """
    output = Output(as_json=as_json)
    account = target.account
    with open_account(account) as client, output.working(f"Listing {kind.what}s …"):
        found = kind.find(Stores(client, account.account_id))

    def show(console: Console) -> None:
        if not found:
            console.print(f"There is no {kind.what}.", markup=False)
            return
        has_ids = any(store.id != store.name for store in found)
        table = Table("name", *(["id"] if has_ids else []), box=None, pad_edge=False)
        for store in found:
            table.add_row(store.name, *([store.id] if has_ids else []))
        console.print(table)

    output.result({kind.key: [{"name": one.name, "id": one.id} for one in found]}, show)


@contextmanager
def _subscribed() -> Iterator[None]:
    try:
        yield
    except AccessError as error:
        raise AccessError(
            error.message,
            f"{error.advice} Dispatch namespaces need a Workers for Platforms subscription.",
        ) from error


def named(stores: Sequence[Store], name: str) -> Store | None:
    """Return the store with this name, or `None`.

    Args:
        stores: The stores to search.
        name: The exact name.

    Raises:
        InputError: Several stores have this name.
    """
    found = [store for store in stores if store.name == name]
    if len(found) > 1:
        ids = ", ".join(store.id for store in found)
        raise InputError(
            f"{len(found)} stores are named {name!r} ({ids}).", "Give the id of one of them."
        )
    return found[0] if found else None


def check_kv_title(title: str) -> str:
    """Return a title that Cloudflare accepts; raises `InputError` otherwise."""
    if not title.strip() or len(title) > KV_TITLE_CHARACTERS_MAX or not title.isprintable():
        raise InputError(
            f"{title!r} is not a valid title for a KV namespace.",
            f"Use 1 to {KV_TITLE_CHARACTERS_MAX} printable characters.",
        )
    return title


def _distinct(stores: Iterator[Store]) -> list[Store]:
    # The SDK reads pages until one is empty. A server that ignores `page` repeats the first one.
    found: dict[str, Store] = {}
    for store in stores:
        if store.id in found:
            break
        found[store.id] = store
    return list(found.values())


def _create(
    what: str, name: str, find: Callable[[], Sequence[Store]], create: Callable[[], Store]
) -> Created:
    existing = named(find(), name)
    if existing is not None:
        return Created(existing, is_new=False)
    with explained(what):
        try:
            return Created(create(), is_new=True)
        except cloudflare.APIStatusError as error:
            # The name is taken if the SDK retried a request that had succeeded, or if another
            # client created the store at the same time.
            existing = named(find(), name) if error.status_code in _STATUSES_NAME_TAKEN else None
            if existing is None:
                raise
            return Created(existing, is_new=False)


def _with_id(store: Store) -> str:
    return "" if store.id == store.name else f", id {store.id}"
