"""`clawr show`: everything about one API."""

from typing import Annotated, Final

import typer

from cli.options import (
    EnvironmentOption,
    JsonOption,
    LocalOption,
    NamespaceOption,
    StateOption,
    TenantKvOption,
    UrlOption,
    examples,
)
from cli.targets import NAMESPACE

EXAMPLES: Final = examples("clawr show airports", "clawr show airports --local --json")


def show(
    slug: Annotated[str, typer.Argument(help="The API.")],
    *,
    namespace: NamespaceOption = NAMESPACE,
    tenant_kv_id: TenantKvOption = None,
    local: LocalOption = None,
    state: StateOption = None,
    env: EnvironmentOption = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one API: record, addresses, routes, columns and script, and what is wrong with it."""
    from cli.output import Output
    from cli.publish.show import show_api
    from cli.publish.store import open_store
    from cli.targets import find_target

    target = find_target(local=local, env=env, state=state, url=url)
    with open_store(target, namespace=namespace, tenant_kv_id=tenant_kv_id) as store:
        show_api(store, target.known_dispatcher, slug, Output(as_json=as_json))
