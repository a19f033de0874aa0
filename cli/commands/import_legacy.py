"""`clawr import-legacy`: brings the event list of an older dispatcher into the log."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import (
    EnvironmentOption,
    ExecuteOption,
    JsonOption,
    LocalOption,
    StateOption,
    UrlOption,
    examples,
)

EXAMPLES = examples(
    "clawr import-legacy events.json",
    "clawr import-legacy events.json --map path=slug --map usd=revenueUsd --execute",
    "clawr import-legacy events.json --skip-bad --local --execute",
)


def import_legacy(
    *,
    file: Annotated[Path, typer.Argument(help="The event list, JSON.", show_default=False)],
    execute: ExecuteOption = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out entries that cannot be used.")
    ] = False,
    naming: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="OLD=NEW", help="What a field is called in the file."),
    ] = None,
    usage_kv_id: Annotated[
        str | None,
        typer.Option(help="The KV namespace of USAGE_KV; wrangler.toml's.", show_default=False),
    ] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait until all of it is counted.")] = 300,
    as_json: JsonOption = False,
    local: LocalOption = None,
    state: StateOption = None,
    env: EnvironmentOption = None,
    url: UrlOption = None,
) -> None:
    """Bring the event list of an older dispatcher's single KV value into the log.

    All entries are checked first, and nothing is written if one cannot be used. Events that are
    in the log already are left alone, so the same or a longer list may be imported again.
    docs/import-legacy.md has the fields, and what becomes of events older than 40 days.
    """
    from cli.legacy.command import Request, run
    from cli.output import Output
    from cli.targets import find_target

    request = Request(
        file=file,
        naming=naming or [],
        execute=execute,
        skip_bad=skip_bad,
        usage_kv_id=usage_kv_id,
        wait_seconds=wait,
    )
    target = find_target(local=local, env=env, state=state, url=url)
    run(request, target, Output(as_json=as_json))
