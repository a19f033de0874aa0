"""What an account keeps data in, by name: KV namespaces, D1 databases, dispatch namespaces.

Making one is idempotent by its name: what is there already is found, also when somebody else
made it a moment ago. Cloudflare itself lets no two KV namespaces have the same title.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import cloudflare

from cli.account_api import explained
from cli.errors import AccessError, InputError

KV_TITLE_CHARACTERS_MAX: Final = 512
PAGE_ENTRIES: Final = 100

_REFUSED_AS_TAKEN = (400, 409)


@dataclass(frozen=True, slots=True)
class Store:
    """One that exists.

    Args:
        name: What people call it: title or name.
        id: What bindings refer to; a dispatch namespace's is its name.
    """

    name: str
    id: str


@dataclass(frozen=True, slots=True)
class Made:
    """What became of making one.

    Args:
        store: The one that is there now.
        is_new: Whether it was made just now.
    """

    store: Store
    is_new: bool


@dataclass(frozen=True, slots=True)
class Stores:
    """Those of one account.

    Args:
        client: A client of its API.
        account_id: The account.
    """

    client: cloudflare.Cloudflare
    account_id: str

    def kv_namespaces(self) -> Sequence[Store]:
        """Return the KV namespaces, by title."""
        with explained("listing KV namespaces"):
            found = _distinct(
                Store(one.title, one.id)
                for one in self.client.kv.namespaces.list(
                    account_id=self.account_id, per_page=PAGE_ENTRIES, order="title"
                )
            )
        return sorted(found, key=lambda store: store.name)

    def databases(self) -> Sequence[Store]:
        """Return the D1 databases, by name."""
        with explained("listing D1 databases"):
            found = _distinct(
                Store(one.name or "", one.uuid or "")
                for one in self.client.d1.database.list(
                    account_id=self.account_id, per_page=PAGE_ENTRIES
                )
            )
        return sorted(found, key=lambda store: store.name)

    def dispatch_namespaces(self) -> Sequence[Store]:
        """Return the dispatch namespaces, by name."""
        with _subscribed(), explained("listing dispatch namespaces"):
            page = self.client.workers_for_platforms.dispatch.namespaces.list(
                account_id=self.account_id
            )
            names = sorted(one.namespace_name or "" for one in page.result)
        return [Store(name, name) for name in names]

    def make_kv_namespace(self, title: str) -> Made:
        """Make a KV namespace with this title, or find it."""

        def make() -> Store:
            made = self.client.kv.namespaces.create(account_id=self.account_id, title=title)
            if made is None:
                raise InputError(f"Cloudflare made no KV namespace {title!r}, and said nothing.")
            return Store(made.title, made.id)

        return _make(f"making the KV namespace {title!r}", title, self.kv_namespaces, make)

    def make_database(self, name: str) -> Made:
        """Make a D1 database with this name, or find it."""

        def make() -> Store:
            made = self.client.d1.database.create(account_id=self.account_id, name=name)
            return Store(made.name or name, made.uuid or "")

        return _make(f"making the D1 database {name!r}", name, self.databases, make)

    def make_dispatch_namespace(self, name: str) -> Made:
        """Make a dispatch namespace with this name, or find it."""

        def make() -> Store:
            made = self.client.workers_for_platforms.dispatch.namespaces.create(
                account_id=self.account_id, name=name
            )
            made_name = made.namespace_name if made and made.namespace_name else name
            return Store(made_name, made_name)

        return _make(
            f"making the dispatch namespace {name!r}", name, self.dispatch_namespaces, make
        )


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
    """Return the one with this name, or `None`.

    Args:
        stores: What a listing found.
        name: Its whole name, in the same case.

    Raises:
        InputError: More than one has it.
    """
    found = [store for store in stores if store.name == name]
    if len(found) > 1:
        ids = ", ".join(store.id for store in found)
        raise InputError(f"{len(found)} are called {name!r} ({ids}).", "Give the id.")
    return found[0] if found else None


def check_kv_title(title: str) -> str:
    """Return a title that Cloudflare takes; raises `InputError` otherwise."""
    if not title.strip() or len(title) > KV_TITLE_CHARACTERS_MAX or not title.isprintable():
        raise InputError(
            f"{title!r} cannot be the title of a KV namespace: "
            f"1 to {KV_TITLE_CHARACTERS_MAX} characters that can be printed."
        )
    return title


def _distinct(stores: Iterator[Store]) -> list[Store]:
    # The SDK asks for pages until one is empty, which a server that ignores `page` never sends.
    found: dict[str, Store] = {}
    for store in stores:
        if store.id in found:
            break
        found[store.id] = store
    return list(found.values())


def _make(
    what: str, name: str, find: Callable[[], Sequence[Store]], make: Callable[[], Store]
) -> Made:
    existing = named(find(), name)
    if existing is not None:
        return Made(existing, is_new=False)
    with explained(what):
        try:
            return Made(make(), is_new=True)
        except cloudflare.APIStatusError as error:
            # The SDK repeats a request whose answer was lost, and the repetition finds the
            # name taken; so does whoever was slower than somebody else.
            existing = named(find(), name) if error.status_code in _REFUSED_AS_TAKEN else None
            if existing is None:
                raise
            return Made(existing, is_new=False)
