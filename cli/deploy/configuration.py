"""Builds wrangler's configuration: wrangler.toml with the names and ids of this deployment.

wrangler.toml itself is not changed, so that upgrading the clone causes no conflicts.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from cli.deploy.deployed import DIGEST_VARIABLE
from cli.deploy.request import DeployRequest
from cli.deploy.resources import Origin, Resource

_TO_BE_CREATED = "to-be-created"
"""The id of a store that does not exist yet, in dry runs."""


def deployment_config(
    production: Mapping[str, Any],
    request: DeployRequest,
    resources: Sequence[Resource],
    variables: Mapping[str, str],
    own_domains: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the configuration of a deployment.

    Args:
        production: wrangler.toml, parsed; not changed.
        request: The request.
        resources: The stores; bindings to stores that are left out are removed.
        variables: The variables to upload.
        own_domains: Custom domains that the Worker has already. If any domain is configured,
            wrangler removes all others, so these are configured too; otherwise it keeps them.
    """
    config = copy.deepcopy(dict(production))
    config["name"] = request.script_name
    config["vars"] = dict(variables)
    config["keep_vars"] = request.keeps_variables
    # Do not report the packages installed on this machine.
    config["dependencies_instrumentation"] = {"enabled": False}
    stores = {one.binding: one for one in resources if one.origin is not Origin.LEFT_OUT}
    config["kv_namespaces"] = _bound(config.get("kv_namespaces", []), stores, "id")
    config["d1_databases"] = [
        {**database, "database_name": stores[database["binding"]].name or database["database_name"]}
        for database in _bound(config.get("d1_databases", []), stores, "database_id")
    ]
    config["dispatch_namespaces"] = _bound(
        config.get("dispatch_namespaces", []), stores, "namespace"
    )
    domains = sorted({*own_domains, *request.domains}) if request.domains else []
    routes = [
        *config.get("routes", []),
        *request.routes,
        *({"pattern": host, "custom_domain": True} for host in domains),
    ]
    if routes:
        config["routes"] = routes
    return config


def with_digest(config: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """Return the configuration with the digest, which the next deployment compares."""
    return {**config, "vars": {**config["vars"], DIGEST_VARIABLE: digest}}


def _bound(
    entries: Sequence[Mapping[str, Any]], stores: Mapping[str, Resource], field: str
) -> list[dict[str, Any]]:
    return [
        {**entry, field: stores[entry["binding"]].id or _TO_BE_CREATED}
        for entry in entries
        if entry["binding"] in stores
    ]
