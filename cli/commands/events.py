"""`clawr events`: lists the usage events of the log, or follows new ones."""

from typing import Annotated

import typer

from cli.completion import complete_slug
from cli.options import (
    DispatcherOptions,
    IntervalOption,
    JsonOption,
    examples,
    option_groups,
)
from cli.output import Output

EXAMPLES = examples(
    "clawr events",
    "clawr events --slug airports --status 5xx --limit 20",
    "clawr events --follow",
    "clawr events --follow --json --status 4xx --status 5xx",
)


@option_groups
def events(
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new events until Ctrl-C.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            "-n",
            min=0,
            max=100_000,
            help="How many events to print. Default: 50; with --follow, 10 before the new ones.",
        ),
    ] = None,
    slugs: Annotated[
        list[str] | None,
        typer.Option(
            "--slug", help="Only events of this API. Repeatable.", autocompletion=complete_slug
        ),
    ] = None,
    statuses: Annotated[
        list[str] | None,
        typer.Option(
            "--status", help="Only events with this status, such as 404 or 5xx. Repeatable."
        ),
    ] = None,
    interval: IntervalOption = 2.0,
    as_json: JsonOption = False,
    target: DispatcherOptions,
) -> None:
    """List usage events, newest first; with --follow, print new ones, oldest first.

    With --follow, the last events are printed and then each new event once, until Ctrl-C, which
    ends the command with exit code 130. With --json, each event is one JSON document per line.
    Events that reach the log late are printed when they arrive.
    While the dispatcher cannot be reached, the command retries, and no event is left out.
    """
    from cli.analytics.event_log import EventFilter, Follower, newest_events
    from cli.analytics.event_output import print_events, print_stream
    from cli.platform import Platform

    output = Output(as_json=as_json)
    wanted = EventFilter(slugs or (), statuses or ())
    with Platform(target.find().dispatcher) as platform:
        if follow:
            print_stream(
                output, Follower(platform), wanted, 10 if limit is None else limit, interval
            )
            return
        with output.working("Reading the log …"):
            found, searched = newest_events(platform, wanted, 50 if limit is None else limit)
    print_events(output, found, searched)
