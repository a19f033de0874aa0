"""`clawr unpublish`: takes an API out of the directory."""

from typing import Annotated, Final

import typer

from cli.options import (
    EnvironmentOption,
    ExecuteOption,
    JsonOption,
    LocalOption,
    NamespaceOption,
    StateOption,
    TenantKvOption,
    examples,
)
from cli.targets import NAMESPACE

EXAMPLES: Final = examples(
    "clawr unpublish airports --local",
    "clawr unpublish airports --local --execute",
    "clawr unpublish airports --delete-script --execute --json",
)


def unpublish(
    slug: Annotated[str, typer.Argument(help="The API.")],
    *,
    tenant_id: Annotated[
        str | None,
        typer.Option(help="Whose it must be; refused if it is another's.", show_default=False),
    ] = None,
    delete_script: Annotated[
        bool,
        typer.Option(
            "--delete-script", help="Delete its script, too, when no caller can meet it any more."
        ),
    ] = False,
    namespace: NamespaceOption = NAMESPACE,
    tenant_kv_id: TenantKvOption = None,
    local: LocalOption = None,
    state: StateOption = None,
    env: EnvironmentOption = None,
    execute: ExecuteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take an API out of the directory; its figures stay.

    Shows what would be done, and does it with --execute. Callers may still be served for the
    30 seconds for which the dispatcher keeps a look-up. --delete-script waits that long, and
    keeps a script that another API has as well.
    """
    from cli.output import Output
    from cli.publish.store import open_store
    from cli.publish.unpublish import withdraw_api
    from cli.targets import find_target

    target = find_target(local=local, env=env, state=state)
    output = Output(as_json=as_json)
    with open_store(target, namespace=namespace, tenant_kv_id=tenant_kv_id) as store:
        withdraw_api(
            store,
            slug,
            output,
            tenant_id=tenant_id,
            delete_script=delete_script,
            is_local=target.is_local,
            execute=execute,
        )
