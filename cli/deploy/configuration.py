"""The configuration that wrangler is given: wrangler.toml, with this deployment's names and ids.

wrangler.toml itself stays as it is, so that an upgrade of the clone never meets changes in it.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from cli.deploy.deployed import DIGEST_VARIABLE
from cli.deploy.request import DeployRequest
from cli.deploy.resources import Origin, Resource

_TO_BE_MADE = "to-be-made"
"""Stands for an id while there is none; only dry runs see it."""


def deployment_config(
    production: Mapping[str, Any],
    request: DeployRequest,
    resources: Sequence[Resource],
    variables: Mapping[str, str],
    own_domains: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the configuration of a deployment.

    Args:
        production: wrangler.toml, parsed; left as it is.
        request: What was asked for.
        resources: The stores; bindings of those that are left out are left out.
        variables: The variables that are uploaded.
        own_domains: Hosts that the Worker has already. wrangler replaces all of them once a
            domain is configured, so they are configured, too; without any it leaves them alone.
    """
    config = copy.deepcopy(dict(production))
    config["name"] = request.script_name
    config["vars"] = dict(variables)
    config["keep_vars"] = request.keeps_variables
    # What is installed on this machine is nobody's business.
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
    """Return the configuration with the variable by which the next deployment knows this one."""
    return {**config, "vars": {**config["vars"], DIGEST_VARIABLE: digest}}


def _bound(
    entries: Sequence[Mapping[str, Any]], stores: Mapping[str, Resource], field: str
) -> list[dict[str, Any]]:
    return [
        {**entry, field: stores[entry["binding"]].id or _TO_BE_MADE}
        for entry in entries
        if entry["binding"] in stores
    ]
