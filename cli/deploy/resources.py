"""The stores that a deployment binds: given, bound already, found by name, or to be made."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache

from cli.deploy.deployed import Deployed
from cli.deploy.request import CONTROL_DB, DISPATCHER, TENANT_KV, USAGE_KV, DeployRequest
from cli.errors import Finding, MissingError
from cli.stores import Store, Stores, named


class Origin(Enum):
    """How a store was settled on."""

    GIVEN = "given"
    BOUND = "as deployed"
    FOUND = "found by its name"
    TO_MAKE = "will be made"
    MADE = "made"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Resource:
    """A store for a binding.

    Args:
        binding: The binding's name.
        what: What kind it is.
        name: What it is called.
        id: What the binding refers to; `None` while there is none.
        origin: How it was settled on.
    """

    binding: str
    what: str
    name: str
    id: str | None
    origin: Origin


_KV = "KV namespace"
_D1 = "D1 database"
_DISPATCH = "dispatch namespace"

_WITHOUT = {
    USAGE_KV: "figures have nowhere to go",
    DISPATCHER: "there are no scripts to call",
}
"""Stores that a Worker cannot do without."""

_HOW_TO_MAKE = {
    _KV: "clawr kv create {name} --execute",
    _D1: "npx wrangler d1 create {name}",
    _DISPATCH: "clawr namespace create {name} --execute",
}


def find_resources(
    request: DeployRequest, stores: Stores | None, deployed: Deployed | None
) -> tuple[Resource, ...]:
    """Return the four stores.

    Args:
        request: What was asked for.
        stores: The account's; `None` if it cannot be asked.
        deployed: The deployed Worker, if there is one.

    Raises:
        MissingError: Stores that are needed are not there; all of them are named.
        CommandError: The account could not be asked.
    """
    namespaces = cache(stores.kv_namespaces) if stores else None
    databases = cache(stores.databases) if stores else None
    found, missing = [], []
    for binding, what, wanted, listing in (
        (USAGE_KV, _KV, request.usage_kv, namespaces),
        (TENANT_KV, _KV, request.tenant_kv, namespaces),
        (CONTROL_DB, _D1, request.control_db, databases),
    ):
        bound = deployed.store_id(binding) if deployed else None
        resource = Resource(binding, what, wanted.name, None, Origin.LEFT_OUT)
        if wanted.id is not None:
            known = listing() if listing else None
            store = _with_id(known, wanted.id)
            if known is not None and store is None:
                missing.append(_unknown(resource, wanted.id))
            name = store.name if store else ""
            resource = replace(resource, name=name, id=wanted.id, origin=Origin.GIVEN)
        elif bound is not None:
            store = _with_id(listing() if listing else None, bound)
            name = store.name if store else ""
            resource = replace(resource, name=name, id=bound, origin=Origin.BOUND)
        elif listing and (store := named(listing(), wanted.name)):
            resource = replace(resource, id=store.id, origin=Origin.FOUND)
        elif request.creates_missing:
            resource = replace(resource, origin=Origin.TO_MAKE)
        elif binding in _WITHOUT:
            missing.append(_absent(resource, is_asked=stores is not None))
        found.append(resource)
    found.append(_namespace(request, stores, missing))
    if missing:
        raise MissingError(
            "Something that the dispatcher is bound to is missing.",
            "Make what is missing, or add --create-missing.",
            missing,
        )
    return tuple(found)


def make_missing(resources: Sequence[Resource], stores: Stores) -> tuple[Resource, ...]:
    """Make those that are to be made; return all, with their ids.

    Raises:
        CommandError: Cloudflare refused one; those before it exist and are found next time.
    """
    return tuple(_made(one, stores) if one.origin is Origin.TO_MAKE else one for one in resources)


def _made(resource: Resource, stores: Stores) -> Resource:
    make = {
        _KV: stores.make_kv_namespace,
        _D1: stores.make_database,
        _DISPATCH: stores.make_dispatch_namespace,
    }[resource.what]
    made = make(resource.name)
    origin = Origin.MADE if made.is_new else Origin.FOUND
    return replace(resource, id=made.store.id, origin=origin)


def _namespace(request: DeployRequest, stores: Stores | None, missing: list[Finding]) -> Resource:
    name = request.dispatch_namespace
    resource = Resource(DISPATCHER, _DISPATCH, name, name, Origin.GIVEN)
    if stores is None or named(stores.dispatch_namespaces(), name):
        return resource
    if not request.creates_missing:
        missing.append(_absent(resource, is_asked=True))
    return replace(resource, origin=Origin.TO_MAKE)


def _with_id(stores: Sequence[Store] | None, store_id: str) -> Store | None:
    return next((store for store in stores or () if store.id == store_id), None)


def _unknown(resource: Resource, store_id: str) -> Finding:
    return Finding(f"The account has no {resource.what} with the id {store_id}.", resource.binding)


def _absent(resource: Resource, *, is_asked: bool) -> Finding:
    make = _HOW_TO_MAKE[resource.what].format(name=resource.name)
    said = f"the account has no {resource.what} {resource.name!r}" if is_asked else "no id is given"
    return Finding(f"{said}, and {_WITHOUT[resource.binding]} without. {make}", resource.binding)
