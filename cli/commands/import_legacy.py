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
    usage_kv_id: Annotated[
        str | None,
        typer.Option(
            help="The id of the KV namespace USAGE_KV. Default: the one in wrangler.toml.",
            show_default=False,
        ),
    ] = None,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait until all events are counted.")
    ] = 300,
    as_json: JsonOption = False,
    target: DispatcherOptions,
) -> None:
    """Import the event list that an older dispatcher kept in one KV value.

    All entries are checked first; if one is invalid, nothing is written. Events that are already in
    the log are not imported again, so the same list or a longer one can be imported repeatedly.
    docs/import-legacy.md describes the fields, and what happens to events older than 40 days.
    """
    from cli.legacy.command import Request, run
    from cli.output import Output

    request = Request(
        file=file,
        naming=naming or [],
        execute=execute,
        skip_bad=skip_bad,
        usage_kv_id=usage_kv_id,
        wait_seconds=wait,
    )
    run(request, target.find(), Output(as_json=as_json))
