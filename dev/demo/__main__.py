"""`python -m dev.demo`: sends varied traffic and shows what the dispatcher counted; `make demo`."""

import asyncio
import json
import os
import sys
import time
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dev.demo import analytics, sender, table, traffic
from dev.demo.report import Report, compare
from dev.errors import run_command_line
from dev.launch.config import DEVELOPMENT_TOKEN
from dev.launch.options import DEFAULT_PORT
from dev.launch.variables import parse_variables

EXAMPLES = """
Examples:

  make demo PORT=8080

  python -m dev.demo --requests 2000 --concurrency 32

  python -m dev.demo --seed 7 --json | jq .report

Exit codes: 0 the counts agree, 1 they differ, 2 the dispatcher could not be reached.
"""


def default_url() -> str:
    """Return the address of `make dev` with the same `PORT=`."""
    return f"http://localhost:{os.environ.get('PORT') or DEFAULT_PORT}"


def default_token() -> str:
    """Return the platform token of `make dev` with the same `VARS=`."""
    variables = parse_variables(os.environ.get("VARS", ""))
    return variables.get("PLATFORM_ANALYTICS_TOKEN", DEVELOPMENT_TOKEN)


def main(
    *,
    url: Annotated[
        str,
        typer.Option(
            help="The dispatcher's address.",
            default_factory=default_url,
            show_default=f"http://localhost:{DEFAULT_PORT}, or PORT",
        ),
    ],
    token: Annotated[
        str,
        typer.Option(
            help="The platform token that `make dev` printed.",
            envvar="PLATFORM_ANALYTICS_TOKEN",
            default_factory=default_token,
            show_default=f"{DEVELOPMENT_TOKEN}, or the one in VARS",
        ),
    ],
    requests: Annotated[int, typer.Option(help="Number of requests.", min=1, max=100_000)] = 300,
    concurrency: Annotated[
        int, typer.Option(help="Number of concurrent requests.", min=1, max=256)
    ] = 16,
    seed: Annotated[
        int,
        typer.Option(
            help="The same seed sends the same requests.",
            default_factory=lambda: int(time.time()),
            show_default="the current time",
        ),
    ],
    patience: Annotated[
        float, typer.Option(help="Seconds to wait until the last calls are counted.", min=0)
    ] = 15,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Send a few hundred varied requests to a running dispatcher and show what it counted."""
    headers = {"authorization": f"Bearer {token}"}
    plan = traffic.plan(requests, seed)
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        snapshot, report = _demonstrate(client, plan, concurrency, patience)
    if as_json:
        document = {"seed": seed, "report": report.as_json(), "snapshot": snapshot}
        typer.echo(json.dumps(document, indent=2))
    else:
        _show(Console(), snapshot, report, seed)
    raise typer.Exit(0 if report.agrees and report.same_day else 1)


def _demonstrate(
    client: httpx.Client, plan: list[traffic.PlannedRequest], concurrency: int, patience: float
) -> tuple[analytics.Snapshot, Report]:
    before = analytics.read_snapshot(client)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("sending", total=len(plan))
        outcomes = asyncio.run(
            sender.send(plan, str(client.base_url), concurrency, lambda _: progress.advance(task))
        )
        progress.update(task, description="counting")
        after = analytics.wait_for_snapshot(
            client, lambda snapshot: compare(before, snapshot, outcomes).agrees, patience
        )
        progress.update(task, description="done")
    return after, compare(before, after, outcomes)


def _show(console: Console, snapshot: analytics.Snapshot, report: Report, seed: int) -> None:
    console.print(table.render(snapshot))
    statuses = ", ".join(f"{count:,} of {status}" for status, count in report.statuses.items())
    console.print(f"Sent {report.sent:,} requests (seed {seed}): {statuses}.")
    if report.unanswered:
        console.print(
            f"{report.unanswered:,} got no complete response; they may or may not be counted."
        )
    agreed = report.agrees and report.same_day
    console.print(report.summary, style="green" if agreed else "red", highlight=False)


def run() -> int:
    """Run the command line; typer exits with its exit code."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(epilog=EXAMPLES)(main)
    app(prog_name="python -m dev.demo")
    return 0


if __name__ == "__main__":
    sys.exit(run_command_line(run))
