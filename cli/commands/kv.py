"""`clawr kv create` and `clawr kv list`."""

from typing import Annotated

import typer

from cli.options import (
    EnvironmentOption,
    ExecuteOption,
    JsonOption,
    LocalOption,
    StateOption,
    examples,
)

app = typer.Typer(help="KV namespaces, where log and directory live.")


@app.command(
    "create",
    epilog=examples("clawr kv create market-usage", "clawr kv create market-usage --execute"),
)
def create(
    *,
    title: Annotated[str, typer.Argument(help="What it will be called.")],
    execute: ExecuteOption = False,
    local: LocalOption = None,
    state: StateOption = None,
    env: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a KV namespace; one that has the title already is found, and nothing is made."""
    from cli.store_commands import KV, create_store
    from cli.stores import check_kv_title
    from cli.targets import find_target

    create_store(
        KV,
        check_kv_title(title),
        find_target(local=local, env=env, state=state),
        execute=execute,
        as_json=as_json,
    )


@app.command("list", epilog=examples("clawr kv list", "clawr kv list --local --json"))
def list_(
    *,
    local: LocalOption = None,
    state: StateOption = None,
    env: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the KV namespaces with their ids."""
    from cli.store_commands import KV, list_stores
    from cli.targets import find_target

    list_stores(KV, find_target(local=local, env=env, state=state), as_json=as_json)
