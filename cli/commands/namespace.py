"""`clawr namespace create` and `clawr namespace list`."""

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

app = typer.Typer(help="Dispatch namespaces, where the scripts of APIs live.")


@app.command(
    "create",
    epilog=examples("clawr namespace create market", "clawr namespace create market --execute"),
)
def create(
    *,
    name: Annotated[str, typer.Argument(help="What it will be called.")],
    execute: ExecuteOption = False,
    local: LocalOption = None,
    state: StateOption = None,
    env: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a dispatch namespace; one that has the name already is found, and nothing is made."""
    from cli.names import check_name
    from cli.store_commands import DISPATCH, create_store
    from cli.targets import find_target

    create_store(
        DISPATCH,
        check_name(name, DISPATCH.what),
        find_target(local=local, env=env, state=state),
        execute=execute,
        as_json=as_json,
    )


@app.command("list", epilog=examples("clawr namespace list", "clawr namespace list --local"))
def list_(
    *,
    local: LocalOption = None,
    state: StateOption = None,
    env: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the dispatch namespaces."""
    from cli.store_commands import DISPATCH, list_stores
    from cli.targets import find_target

    list_stores(DISPATCH, find_target(local=local, env=env, state=state), as_json=as_json)
