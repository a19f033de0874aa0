"""`clawr token`: creates, lists and revokes tokens that see only certain tenants."""

from typing import Annotated

import typer

from cli.help import Command, Group
from cli.options import (
    DirectoryOptions,
    ExecuteOption,
    JsonOption,
    TargetOptions,
    examples,
    option_groups,
)

token_app = typer.Typer(
    cls=Group, help="Tokens for creators, which see only the usage of certain tenants."
)


@token_app.command(
    "create",
    cls=Command,
    epilog=examples(
        "clawr token create --tenant ten_meridian_airports --local",
        "clawr token create --tenant ten_meridian_airports --name meridian --local --execute",
        "clawr token create --tenant t1 --tenant t2 --scope analytics:read --execute --json",
    ),
)
@option_groups
def create(
    *,
    tenants: Annotated[
        list[str], typer.Option("--tenant", help="The id of a tenant that it sees. Repeatable.")
    ],
    name: Annotated[
        str | None,
        typer.Option(help="Its name. Default: the first tenant's id.", show_default=False),
    ] = None,
    scopes: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            help="analytics:read or events:read. Repeatable. Default: both.",
            show_default=False,
        ),
    ] = None,
    not_after: Annotated[
        str | None,
        typer.Option(
            help="When it expires, such as 2027-01-01T00:00Z. Default: never.", show_default=False
        ),
    ] = None,
    directory: DirectoryOptions,
    options: TargetOptions,
    execute: ExecuteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Create a token that sees only the analytics, usage, events and payments of some tenants.

    Without --execute, only shows what it would see. Its secret is printed once, and only its
    SHA-256 is stored in TENANT_KV. The dispatcher accepts it without a deployment.
    """
    from api.tokens import TENANT_SCOPES
    from cli.output import Output
    from cli.tokens import create_token

    with directory.open(options.find()) as store:
        create_token(
            store,
            Output(as_json=as_json),
            name=name or tenants[0],
            tenants=tenants,
            scopes=scopes or TENANT_SCOPES,
            not_after=not_after,
            execute=execute,
        )


@token_app.command(
    "list", cls=Command, epilog=examples("clawr token list --local", "clawr token list --json")
)
@option_groups
def list_all(
    *, directory: DirectoryOptions, options: TargetOptions, as_json: JsonOption = False
) -> None:
    """List the tokens in TENANT_KV, without their secrets."""
    from cli.output import Output
    from cli.tokens import list_tokens

    with directory.open(options.find()) as store:
        list_tokens(store, Output(as_json=as_json))


@token_app.command(
    "revoke",
    cls=Command,
    epilog=examples(
        "clawr token revoke meridian --local", "clawr token revoke meridian --local --execute"
    ),
)
@option_groups
def revoke(
    name: Annotated[str, typer.Argument(help="The token's name.")],
    *,
    directory: DirectoryOptions,
    options: TargetOptions,
    execute: ExecuteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Revoke a token. Without --execute, only shows which one.

    Each isolate of the dispatcher rejects it within 20 seconds, after KV shows the deletion there.
    """
    from cli.output import Output
    from cli.tokens import revoke_token

    target = options.find()
    with directory.open(target) as store:
        revoke_token(
            store, Output(as_json=as_json), name, is_local=target.is_local, execute=execute
        )
