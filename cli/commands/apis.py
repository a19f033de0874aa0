"""`clawr apis`: everything that is published."""

from typing import Final

from cli.options import (
    EnvironmentOption,
    JsonOption,
    LocalOption,
    NamespaceOption,
    StateOption,
    TenantKvOption,
    examples,
)
from cli.targets import NAMESPACE

EXAMPLES: Final = examples("clawr apis", "clawr apis --local --json")


def apis(
    *,
    namespace: NamespaceOption = NAMESPACE,
    tenant_kv_id: TenantKvOption = None,
    local: LocalOption = None,
    state: StateOption = None,
    env: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what is published: slug, price, plan, category, hosts and script.

    These are the records in TENANT_KV; the dispatcher reads the variable TENANT_DIRECTORY_JSON
    besides, which stands in its own configuration.
    """
    from cli.output import Output
    from cli.publish.catalogue import list_apis
    from cli.publish.store import open_store
    from cli.targets import find_target

    target = find_target(local=local, env=env, state=state)
    with open_store(target, namespace=namespace, tenant_kv_id=tenant_kv_id) as store:
        list_apis(store, Output(as_json=as_json))
