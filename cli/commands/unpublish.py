"""`clawr unpublish`: removes an API from the directory."""

from typing import Annotated, Final

import typer

from cli.options import (
    DirectoryOptions,
    ExecuteOption,
    JsonOption,
    SlugArgument,
    TargetOptions,
    examples,
    option_groups,
)

EXAMPLES: Final = examples(
    "clawr unpublish airports --local",
    "clawr unpublish airports --local --execute",
    "clawr unpublish airports --delete-script --execute --json",
)


@option_groups
def unpublish(
    slug: SlugArgument,
    *,
    execute: ExecuteOption = False,
    as_json: JsonOption = False,
    tenant_id: Annotated[
        str | None,
        typer.Option(
            "--tenant-id", help="Fail unless the API belongs to this tenant.", show_default=False
        ),
    ] = None,
    delete_script: Annotated[
        bool,
        typer.Option(
            "--delete-script", help="Delete its script too, once no request can reach it."
        ),
    ] = False,
    options: TargetOptions,
    directory: DirectoryOptions,
) -> None:
    """Remove an API from the directory. Its analytics stay.

    Without --execute, only shows what would change. The dispatcher caches lookups for 30 seconds,
    so callers may still be served for that long. --delete-script waits that long, and keeps the
    script if another API uses it.
    """
    from cli.output import Output
    from cli.publish.unpublish import unpublish_api

    target = options.find()
    output = Output(as_json=as_json)
    with directory.open(target) as store:
        unpublish_api(
            store,
            slug,
            output,
            tenant_id=tenant_id,
            delete_script=delete_script,
            is_local=target.is_local,
            execute=execute,
        )
