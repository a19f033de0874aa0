"""`clawr reconcile`: whether the ledger and the settlement events of a day are the same."""

from typing import Annotated

import typer

from cli.options import (
    EnvironmentOption,
    JsonOption,
    LocalOption,
    StateOption,
    UrlOption,
    examples,
)
from cli.output import Output

EXAMPLES = examples(
    "clawr reconcile",
    "clawr reconcile --day 2026-11-22",
    "clawr reconcile --day 2026-11-22 --json",
)


def reconcile(
    *,
    day: Annotated[
        str | None,
        typer.Option(
            "--day",
            metavar="YYYY-MM-DD",
            help="The UTC day; yesterday when left out.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
    local: LocalOption = None,
    state: StateOption = None,
    env: EnvironmentOption = None,
    url: UrlOption = None,
) -> None:
    """Compare the payout ledger of a day with what was settled at the edge.

    Ends with exit code 8 when anything differs or cannot be read, and names the payments.
    Payments that are pending are listed; they differ from nothing yet.
    """
    from cli.analytics.dates import read_day
    from cli.analytics.reconciliation_view import read_reconciliation
    from cli.platform import Platform
    from cli.targets import find_target

    output = Output(as_json=as_json)
    date = read_day(day)
    target = find_target(local=local, env=env, state=state, url=url)
    with (
        Platform(target.dispatcher) as platform,
        output.working(f"Comparing both sides of {date} …"),
    ):
        document = platform.get("/__platform/reconciliation", day=date)
    found = read_reconciliation(document)
    if found.trouble:
        output.finding(
            document,
            lambda console: console.print(found, soft_wrap=False),
            found.trouble,
            "docs/reference/ledger.md says what each difference means.",
        )
    output.result(document, lambda console: console.print(found, soft_wrap=False))
