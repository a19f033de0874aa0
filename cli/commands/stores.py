"""`clawr kv` and `clawr namespace`: list and create KV namespaces and dispatch namespaces."""

from typing import Annotated

import typer

from cli.help import Command, Group
from cli.options import ExecuteOption, JsonOption, TargetOptions, examples, option_groups

kv_app = typer.Typer(cls=Group, help="KV namespaces, which hold the usage log and the directory.")
namespace_app = typer.Typer(cls=Group, help="Dispatch namespaces, which hold the APIs' scripts.")


@kv_app.command(
    "create",
    cls=Command,
    epilog=examples("clawr kv create market-usage", "clawr kv create market-usage --execute"),
)
@option_groups
def create_kv(
    *,
    title: Annotated[str, typer.Argument(help="The title of the KV namespace.")],
    execute: ExecuteOption = False,
    target: TargetOptions,
    as_json: JsonOption = False,
) -> None:
    """Create a KV namespace, unless one with this title exists."""
    from cli.stores import KV, check_kv_title, create_store

    create_store(KV, check_kv_title(title), target.find(), execute=execute, as_json=as_json)


@kv_app.command(
    "list", cls=Command, epilog=examples("clawr kv list", "clawr kv list --local --json")
)
@option_groups
def list_kv(*, target: TargetOptions, as_json: JsonOption = False) -> None:
    """List the KV namespaces and their ids."""
    from cli.stores import KV, list_stores

    list_stores(KV, target.find(), as_json=as_json)


@namespace_app.command(
    "create",
    cls=Command,
    epilog=examples("clawr namespace create market", "clawr namespace create market --execute"),
)
@option_groups
def create_namespace(
    *,
    name: Annotated[str, typer.Argument(help="The name of the dispatch namespace.")],
    execute: ExecuteOption = False,
    target: TargetOptions,
    as_json: JsonOption = False,
) -> None:
    """Create a dispatch namespace, unless one with this name exists."""
    from cli.names import check_name
    from cli.stores import DISPATCH, create_store

    check_name(name, DISPATCH.what)
    create_store(DISPATCH, name, target.find(), execute=execute, as_json=as_json)


@namespace_app.command(
    "list", cls=Command, epilog=examples("clawr namespace list", "clawr namespace list --local")
)
@option_groups
def list_namespaces(*, target: TargetOptions, as_json: JsonOption = False) -> None:
    """List the dispatch namespaces."""
    from cli.stores import DISPATCH, list_stores

    list_stores(DISPATCH, target.find(), as_json=as_json)
