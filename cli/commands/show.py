"""`clawr show`: shows one API in full."""

from typing import Annotated, Final

import typer

from cli.options import (
    DirectoryOptions,
    DispatcherOptions,
    JsonOption,
    examples,
    option_groups,
)

EXAMPLES: Final = examples("clawr show airports", "clawr show airports --local --json")


@option_groups
def show(
    slug: Annotated[str, typer.Argument(help="The API's slug.")],
    *,
    directory: DirectoryOptions,
    options: DispatcherOptions,
    as_json: JsonOption = False,
) -> None:
    """Show one API: record, addresses, routes, columns, script, and problems."""
    from cli.output import Output
    from cli.publish.show import show_api

    target = options.find()
    with directory.open(target) as store:
        show_api(store, target.known_dispatcher, slug, Output(as_json=as_json))
