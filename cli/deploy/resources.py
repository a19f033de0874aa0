"""Finds the stores that a deployment binds: given, bound, found by name, or to be created."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache

from cli.deploy.deployed import Deployed
from cli.deploy.request import CONTROL_DB, DISPATCHER, TENANT_KV, USAGE_KV, DeployRequest
from cli.errors import Finding, MissingError
from cli.stores import Store, Stores, named


class Origin(Enum):
    """How a store was chosen. The plan's JSON has the lowercase names of the members."""

    GIVEN = "given"
    BOUND = "as deployed"
    FOUND = "found by its name"
    TO_MAKE = "will be created"
    MADE = "created"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Resource:
    """A store for a binding.

    Args:
        binding: The binding's name.
        what: The kind of store.
        name: Its title or name.
        id: The id for the binding; `None` until it is created.
        origin: How it was chosen.
    """

    binding: str
    what: str
    name: str
    id: str | None
    origin: Origin


_KV = "KV namespace"
_D1 = "D1 database"
_DISPATCH = "dispatch namespace"

_REQUIRED_FOR = {
    USAGE_KV: "usage is recorded in it",
    DISPATCHER: "it contains the APIs' scripts",
}
"""Stores that the dispatcher requires, and why."""

_CREATE_COMMANDS = {
    _KV: "clawr kv create {name} --execute",
    _D1: "npx wrangler d1 create {name}",
    _DISPATCH: "clawr namespace create {name} --execute",
}


def find_resources(
    request: DeployRequest, stores: Stores | None, deployed: Deployed | None
) -> tuple[Resource, ...]:
    """Return the four stores.

    Args:
        request: The request.
        stores: The account's stores; `None` without an account.
        deployed: The deployed Worker, if any.

    Raises:
        MissingError: Required stores do not exist; the findings name all of them.
        CommandError: The account could not be read.
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
        elif binding in _REQUIRED_FOR:
            missing.append(_absent(resource, has_account=stores is not None))
        found.append(resource)
    found.append(_namespace(request, stores, missing))
    if missing:
        raise MissingError(
            "Stores that the dispatcher needs are missing.",
            "Create them, or add --create-missing.",
            missing,
        )
    return tuple(found)


def create_missing(resources: Sequence[Resource], stores: Stores) -> tuple[Resource, ...]:
    """Create the stores that are to be created; return all stores with their ids.

    Raises:
        CommandError: Cloudflare rejected one. The next run finds those created before it.
    """
    return tuple(
        _created(one, stores) if one.origin is Origin.TO_MAKE else one for one in resources
    )


def _created(resource: Resource, stores: Stores) -> Resource:
    create = {
        _KV: stores.create_kv_namespace,
        _D1: stores.create_database,
        _DISPATCH: stores.create_dispatch_namespace,
    }[resource.what]
    created = create(resource.name)
    origin = Origin.MADE if created.is_new else Origin.FOUND
    return replace(resource, id=created.store.id, origin=origin)


def _namespace(request: DeployRequest, stores: Stores | None, missing: list[Finding]) -> Resource:
    name = request.dispatch_namespace
    resource = Resource(DISPATCHER, _DISPATCH, name, name, Origin.GIVEN)
    if stores is None or named(stores.dispatch_namespaces(), name):
        return resource
    if not request.creates_missing:
        missing.append(_absent(resource, has_account=True))
    return replace(resource, origin=Origin.TO_MAKE)


def _with_id(stores: Sequence[Store] | None, store_id: str) -> Store | None:
    return next((store for store in stores or () if store.id == store_id), None)


def _unknown(resource: Resource, store_id: str) -> Finding:
    return Finding(f"the account has no {resource.what} with the id {store_id}", resource.binding)


def _absent(resource: Resource, *, has_account: bool) -> Finding:
    reason = _REQUIRED_FOR[resource.binding]
    create = _CREATE_COMMANDS[resource.what].format(name=resource.name)
    missing = (
        f"the account has no {resource.what} {resource.name!r}" if has_account else "no id is given"
    )
    return Finding(f"{missing} ({reason}). Create it: {create}", resource.binding)
