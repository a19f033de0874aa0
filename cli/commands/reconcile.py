"""`clawr reconcile`: compares the ledger with the settlement events of a day."""

from typing import Annotated

import typer

from cli.options import DispatcherOptions, JsonOption, examples, option_groups
from cli.output import Output

EXAMPLES = examples(
    "clawr reconcile",
    "clawr reconcile --day 2026-11-22",
    "clawr reconcile --day 2026-11-22 --json",
)


@option_groups
def reconcile(
    *,
    day: Annotated[
        str | None,
        typer.Option(
            "--day",
            metavar="YYYY-MM-DD",
            help="The UTC day. Default: yesterday.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
    target: DispatcherOptions,
) -> None:
    """Compare the payout ledger of a day with the settlement events recorded at the edge.

    Ends with exit code 8 if anything differs or cannot be read, and lists the payments concerned.
    Pending payments are listed too, but are not differences.
    """
    from cli.analytics.dates import read_day
    from cli.analytics.reconciliation_view import read_reconciliation
    from cli.platform import Platform

    output = Output(as_json=as_json)
    date = read_day(day)
    with (
        Platform(target.find().dispatcher) as platform,
        output.working(f"Comparing ledger and settlement events of {date} …"),
    ):
        document = platform.get("/__platform/reconciliation", day=date)
    found = read_reconciliation(document)
    if found.problem:
        output.finding(
            document,
            lambda console: console.print(found, soft_wrap=False),
            found.problem,
            "docs/reference/ledger.md explains each kind of difference.",
        )
    output.result(document, lambda console: console.print(found, soft_wrap=False))
