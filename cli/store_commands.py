"""What `clawr kv` and `clawr namespace` do, each for its own kind of store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

from cli.account_api import open_account
from cli.output import Output
from cli.stores import Made, Store, Stores, named
from cli.targets import Target


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of store.

    Args:
        what: What one is called.
        key: What the list of them is called in JSON.
        find: Lists them.
        make: Makes one by its name.
    """

    what: str
    key: str
    find: Callable[[Stores], Sequence[Store]]
    make: Callable[[Stores, str], Made]


KV: Final = Kind("KV namespace", "namespaces", Stores.kv_namespaces, Stores.make_kv_namespace)
DISPATCH: Final = Kind(
    "dispatch namespace", "namespaces", Stores.dispatch_namespaces, Stores.make_dispatch_namespace
)


def create_store(kind: Kind, name: str, target: Target, *, execute: bool, as_json: bool) -> None:
    """Make one, or say that it would be made, or that it is there.

    Args:
        kind: What is made.
        name: Its name, which is how it is found again.
        target: Where.
        execute: Whether it is made.
        as_json: How the result is printed.

    Raises:
        CommandError: Cloudflare refused it or could not be reached.
    """
    output = Output(as_json=as_json)
    account = target.account
    with open_account(account) as client, output.working(f"Asking for {kind.what} {name} …"):
        stores = Stores(client, account.account_id)
        found = named(kind.find(stores), name)
        made = Made(found, is_new=False) if found else None
        if made is None and execute:
            made = kind.make(stores, name)
    document = {
        "name": name,
        "id": made.store.id if made else None,
        "exists": made is not None,
        "created": made.is_new if made else False,
    }

    def show(console: Console) -> None:
        if made is None:
            said = f"Would make the {kind.what} {name}. Nothing was done: add --execute."
        elif made.is_new:
            said = f"Made the {kind.what} {name}{_with_id(made.store)}."
        else:
            said = f"The {kind.what} {name} exists{_with_id(made.store)}. Nothing to do."
        console.print(said, markup=False)

    output.result(document, show)


def list_stores(kind: Kind, target: Target, *, as_json: bool) -> None:
    """Print all of a kind.

    Args:
        kind: What is listed.
        target: Where.
        as_json: How the result is printed.

    Raises:
        CommandError: Cloudflare refused it or could not be reached.
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


def _with_id(store: Store) -> str:
    return "" if store.id == store.name else f", id {store.id}"
