"""The command behind `make demo`: send varied traffic, then show what was counted."""

import asyncio
import json
import time
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dev.demo import analytics, sender, table, traffic
from dev.demo.report import Report, compare

EXAMPLES = """
Examples:

  python -m dev.demo

  python -m dev.demo --url http://localhost:8080 --requests 2000 --concurrency 32

  python -m dev.demo --seed 7 --json | jq .report

Exit codes: 0 the counts agree, 1 they differ, 2 nothing could be measured.
"""


def main(
    url: Annotated[
        str, typer.Option(help="Where the dispatcher listens.")
    ] = "http://localhost:8787",
    token: Annotated[
        str,
        typer.Option(
            help="The platform token that `make dev` printed.", envvar="PLATFORM_ANALYTICS_TOKEN"
        ),
    ] = "dev-token",
    requests: Annotated[
        int, typer.Option(help="How many requests to send.", min=1, max=100_000)
    ] = 300,
    concurrency: Annotated[int, typer.Option(help="How many at once.", min=1, max=256)] = 16,
    seed: Annotated[
        int | None,
        typer.Option(help="The same seed sends the same requests.", show_default="the time"),
    ] = None,
    patience: Annotated[
        float, typer.Option(help="Seconds to wait for the last calls to be counted.", min=0)
    ] = 15,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead.")
    ] = False,
) -> None:
    """Send a few hundred varied requests to a running dispatcher and show what it counted."""
    seed = int(time.time()) if seed is None else seed
    headers = {"authorization": f"Bearer {token}"}
    try:
        with httpx.Client(
            base_url=url, headers=headers, timeout=analytics.TIMEOUT_SECONDS
        ) as client:
            snapshot, report = _demonstrate(
                client, traffic.plan(requests, seed), concurrency, patience
            )
    except analytics.PlatformError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
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
        after = analytics.await_snapshot(
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
            f"{report.unanswered:,} got no whole answer; they may have been counted or not."
        )
    agreed = report.agrees and report.same_day
    sentence = report.verdict[0].upper() + report.verdict[1:]
    console.print(sentence, style="green" if agreed else "red", highlight=False)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(epilog=EXAMPLES)(main)
    app(prog_name="python -m dev.demo")
