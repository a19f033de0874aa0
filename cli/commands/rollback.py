"""`clawr rollback`: returns the deployed dispatcher to an earlier version."""

from typing import Annotated, Final

import typer

from cli.options import (
    EnvironmentOption,
    ExecuteOption,
    JsonOption,
    ScriptNameOption,
    UrlOption,
    examples,
)

EXAMPLES: Final = examples(
    "clawr rollback --env production.env",
    "clawr rollback --env production.env --execute",
    "clawr rollback clawr-0123456789ab --script-name market --env production.env --execute",
)


def rollback(
    version: Annotated[
        str | None,
        typer.Argument(
            help="A version's id, the beginning of it, or its tag. Default: the version that "
            "served all requests before.",
            show_default=False,
        ),
    ] = None,
    *,
    script_name: ScriptNameOption = None,
    restore_secrets: Annotated[
        bool,
        typer.Option(
            "--restore-secrets",
            help="Restore the secrets of that version although they have changed since.",
        ),
    ] = False,
    execute: ExecuteOption = False,
    url: UrlOption = None,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for the dispatcher to respond.", min=0)
    ] = 60,
    env: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Return the deployed dispatcher to an earlier version; with --execute, do it.

    Restores code, static files, bindings, variables and secrets of that version, and shows the
    differences first. Stores keep their contents. Refused if the version has other migrations of
    Durable Object classes or fewer shards. Afterwards the dispatcher is checked.
    """
    from cli.output import Output
    from cli.rollback.run import roll_back
    from cli.targets import find_target

    roll_back(
        find_target(local=False, env=env, url=url),
        Output(as_json=as_json),
        script_name=script_name,
        wanted=version,
        is_executed=execute,
        restores_secrets=restore_secrets,
        wait_seconds=wait,
    )
