"""Implements `clawr usage`: prints usage in a range as a table, CSV or JSON."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from cli.analytics.formatting import money, plain_text
from cli.errors import SAME_VERSION, CommandError
from cli.output import Output
from cli.platform import Platform

PATH = "/__platform/usage"
_COMPLETE_HEADER = "x-clawr-usage-complete"
_INCOMPLETE = (
    "Some usage is missing: a shard did not respond, or events were lost. See clawr doctor."
)


def show_usage(
    platform: Platform, output: Output, parameters: Mapping[str, str], *, as_csv: bool
) -> None:
    """Read usage and print it.

    Args:
        platform: The dispatcher.
        output: The output.
        parameters: Those of the route.
        as_csv: Whether to print CSV as the dispatcher sends it.

    Raises:
        CommandError: The dispatcher rejected the request, failed, or could not be reached.
    """
    if as_csv:
        with output.working("Reading usage …"):
            response = platform.send("GET", PATH, {**parameters, "format": "csv"})
        if response.status != httpx.codes.OK:
            # Reading it as JSON explains the error.
            platform.get(PATH, **parameters)
        sys.stdout.write(response.body.decode())
        if response.headers.get(_COMPLETE_HEADER) != "true":
            output.note(_INCOMPLETE)
        return
    with output.working("Reading usage …"):
        document = platform.get(PATH, **parameters)
    try:
        table = _table(document)
        is_complete = document["freshness"]["complete"]
    except (KeyError, TypeError, AttributeError) as error:
        raise CommandError(
            f"The response of {PATH} is unreadable: {error!r}.", SAME_VERSION
        ) from error

    def show(console: Console) -> None:
        console.print(table)

    output.result(document, show)
    if not is_complete:
        output.note(_INCOMPLETE)


def _table(document: Mapping[str, Any]) -> Table:
    rows: Sequence[Mapping[str, Any]] = document["rows"]
    group_by = document["groupBy"]
    length = 16 if document["interval"] == "hour" else 7 if document["interval"] == "month" else 10
    columns = ["start", *([group_by] if group_by else []), "calls", "errors", "revenue"]
    table = Table(box=None)
    for name in (*columns, "callers", "latency"):
        is_text = name in ("start", group_by)
        table.add_column(name, justify="left" if is_text else "right")
    for row in rows:
        group = [plain_text(row["group"])] if group_by else []
        table.add_row(row["startAt"][:length].replace("T", " "), *group, *_cells(row))
    totals = _cells(document["totals"])
    table.add_section()
    table.add_row("total", *([""] if group_by else []), *totals)
    return table


def _cells(row: Mapping[str, Any]) -> Sequence[str]:
    callers, latency_ms = row.get("uniqueCallers"), row["latencyMs"]
    errors, micros = row["errors"], row["revenueMicros"]
    return (
        f"{row['calls']:,}",
        "-" if errors is None else f"{errors:,}",
        "-" if micros is None else money(micros),
        "-" if callers is None else f"{callers:,}",
        "-" if latency_ms is None else f"{latency_ms:,.0f} ms",
    )
