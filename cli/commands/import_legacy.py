"""`clawr import-legacy`: imports what an older dispatcher has left."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import (
    DirectoryOptions,
    DispatcherOptions,
    ExecuteOption,
    JsonOption,
    examples,
    option_groups,
)

EXAMPLES = examples(
    "clawr import-legacy events.json",
    "clawr import-legacy events.json --map path=slug --map usd=revenueUsd --execute",
    "clawr import-legacy events.jsonl --skip-bad --report skipped.jsonl --local --execute",
    "clawr import-legacy tenants.json --execute",
    "clawr import-legacy payouts.sql --map amount=amountCents",
    "clawr import-legacy --undo legacy-0123456789abcdef --execute",
)


@option_groups
def import_legacy(
    *,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="The events or the tenant directory, as JSON, or a payout ledger, as JSON, CSV or "
            "SQL.",
            show_default=False,
        ),
    ] = None,
    execute: ExecuteOption = False,
    undo: Annotated[
        str | None,
        typer.Option("--undo", metavar="ID", help="Undo an import.", show_default=False),
    ] = None,
    naming: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="OLD=NEW", help="The file's name for a field. Repeatable."),
    ] = None,
    ignored: Annotated[
        list[str] | None,
        typer.Option(
            "--ignore", metavar="FIELD", help="Leave a field out, even if it may be money."
        ),
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip invalid entries.")] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Write everything that is not imported to this file."),
    ] = None,
    at: Annotated[
        str, typer.Option("--at", metavar="PATH", help="The member that has the list: data.items.")
    ] = "",
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="events, directory or ledger, if it is not recognized.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
    target: DispatcherOptions,
    directory: DirectoryOptions,
) -> None:
    """Import the events and the tenant directory of an older dispatcher.

    The file is recognized by its content. Everything is checked first; if an entry is invalid, or
    its money is not clear, nothing is imported. Each event is counted once by its id, so the same
    list or a longer one can be imported repeatedly. A payout ledger is added up and compared, and
    not imported. docs/import-legacy.md describes the files.
    """
    from cli.errors import InputError
    from cli.legacy.command import Request, run, run_undo
    from cli.legacy.recognition import Kind
    from cli.output import Output

    if (file is None) == (undo is None):
        raise InputError(
            "Give either a FILE or --undo ID.", "`clawr import-legacy --help` has examples."
        )
    if undo is not None:
        run_undo(undo, target.find(), Output(as_json=as_json), execute=execute)
        return
    if kind is not None and kind not in list(Kind):
        raise InputError(f"--kind {kind} is unknown.", f"Use one of {', '.join(Kind)}.")
    assert file is not None
    request = Request(
        file=file,
        naming=naming or [],
        execute=execute,
        skip_bad=skip_bad,
        ignored=ignored or [],
        at=at,
        kind=None if kind is None else Kind(kind),
        report=report,
        directory=directory,
    )
    run(request, target.find(), Output(as_json=as_json))
