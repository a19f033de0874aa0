"""`clawr usage`: calls, errors, revenue and callers in any range."""

from enum import StrEnum
from typing import Annotated

import typer

from cli.completion import complete_slug
from cli.options import DispatcherOptions, JsonOption, examples, option_groups

EXAMPLES = examples(
    "clawr usage --from 2026-11-01",
    "clawr usage --from 2026-11-01 --to 2026-12-01 --by day --csv",
    "clawr usage --from 2026-09-01 --by month --group-by api",
    "clawr usage --from 2026-11-30 --by hour --api airports --json",
)


class Interval(StrEnum):
    """The time that a row covers."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class Grouping(StrEnum):
    """By what rows are divided."""

    API = "api"
    TENANT = "tenant"
    STATUS = "status"
    METHOD = "method"
    OUTCOME = "outcome"
    CALLER = "caller"


@option_groups
def usage(
    *,
    start: Annotated[str, typer.Option("--from", help="The first UTC day, or a time with a zone.")],
    end: Annotated[
        str | None,
        typer.Option("--to", help="The end, exclusive. Default: now.", show_default=False),
    ] = None,
    interval: Annotated[
        Interval, typer.Option("--by", help="The time that a row covers.")
    ] = Interval.DAY,
    group_by: Annotated[
        Grouping | None,
        typer.Option("--group-by", help="Divide the rows; caller needs --api.", show_default=False),
    ] = None,
    api: Annotated[
        str | None,
        typer.Option(
            "--api",
            help="Only this API, by its slug.",
            autocompletion=complete_slug,
            show_default=False,
        ),
    ] = None,
    tenant: Annotated[
        str | None,
        typer.Option("--tenant", help="Only this tenant, by its id.", show_default=False),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")] = False,
    as_json: JsonOption = False,
    target: DispatcherOptions,
) -> None:
    """Show usage in any range, by hour, day or month, for dashboards and invoices.

    The rows add up to the same calls, errors and money as `clawr analytics`. A range has at most
    400 days by day or month, and 40 by hour. If something is missing, a note says so.
    """
    from cli.analytics.usage import show_usage
    from cli.errors import InputError
    from cli.output import Output
    from cli.platform import Platform

    if as_csv and as_json:
        raise InputError("--csv and --json cannot be used together.", "Choose one of them.")
    wanted = {
        "from": start,
        "to": end,
        "interval": interval.value,
        "groupBy": group_by.value if group_by else None,
        "api": api,
        "tenant": tenant,
    }
    parameters = {name: value for name, value in wanted.items() if value is not None}
    with Platform(target.find().dispatcher) as platform:
        show_usage(platform, Output(as_json=as_json), parameters, as_csv=as_csv)
