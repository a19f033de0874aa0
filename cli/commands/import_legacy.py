"""`clawr import-legacy`: imports the event list of an older dispatcher."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import DispatcherOptions, ExecuteOption, JsonOption, examples, option_groups

EXAMPLES = examples(
    "clawr import-legacy events.json",
    "clawr import-legacy events.json --map path=slug --map usd=revenueUsd --execute",
    "clawr import-legacy events.json --skip-bad --local --execute",
)


@option_groups
def import_legacy(
    *,
    file: Annotated[Path, typer.Argument(help="The event list, as JSON.", show_default=False)],
    execute: ExecuteOption = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip invalid entries.")] = False,
    naming: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="OLD=NEW", help="The file's name for a field. Repeatable."),
    ] = None,
    as_json: JsonOption = False,
    target: DispatcherOptions,
) -> None:
    """Import the event list that an older dispatcher kept in one KV value.

    All entries are checked first; if one is invalid, nothing is imported. Each event is counted
    once by its id, so the same list or a longer one can be imported repeatedly.
    docs/import-legacy.md describes the fields.
    """
    from cli.legacy.command import Request, run
    from cli.output import Output

    request = Request(
        file=file,
        naming=naming or [],
        execute=execute,
        skip_bad=skip_bad,
    )
    run(request, target.find(), Output(as_json=as_json))
