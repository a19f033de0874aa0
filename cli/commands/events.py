"""`clawr events`: what each request left in the log, newest first or as they come."""

from typing import Annotated

import typer

from cli.completion import complete_slug
from cli.options import (
    EnvironmentOption,
    IntervalOption,
    JsonOption,
    LocalOption,
    StateOption,
    UrlOption,
    examples,
)
from cli.output import Output

EXAMPLES = examples(
    "clawr events",
    "clawr events --slug airports --status 5xx --limit 20",
    "clawr events --follow",
    "clawr events --follow --json --status 4xx --status 5xx",
)


def events(
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new ones, until Ctrl-C.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            "-n",
            min=0,
            max=100_000,
            help="How many; 50, with --follow 10 to begin with.",
        ),
    ] = None,
    slugs: Annotated[
        list[str] | None,
        typer.Option("--slug", help="Of this API; may be repeated.", autocompletion=complete_slug),
    ] = None,
    statuses: Annotated[
        list[str] | None,
        typer.Option("--status", help="With this status, or 4xx, 5xx; may be repeated."),
    ] = None,
    interval: IntervalOption = 2.0,
    as_json: JsonOption = False,
    local: LocalOption = None,
    state: StateOption = None,
    env: EnvironmentOption = None,
    url: UrlOption = None,
) -> None:
    """List usage events, the newest first; with --follow as they come, the oldest first.

    With --follow, the last events are shown and then each new one, once, until Ctrl-C, which
    ends with exit code 130; with --json, each is one JSON document a line. An event that comes
    late from a place far away is shown when it comes, if that is within two minutes. A
    dispatcher that goes away is asked again until it is back, and nothing is left out.
    """
    from cli.analytics.event_log import Follower, Wanted, newest_events
    from cli.analytics.event_output import print_events, print_stream
    from cli.platform import Platform
    from cli.targets import find_target

    output = Output(as_json=as_json)
    wanted = Wanted(slugs or (), statuses or ())
    target = find_target(local=local, env=env, state=state, url=url)
    with Platform(target.dispatcher) as platform:
        if follow:
            print_stream(
                output, Follower(platform), wanted, 10 if limit is None else limit, interval
            )
            return
        with output.working("Reading the log …"):
            found, looked_at = newest_events(platform, wanted, 50 if limit is None else limit)
    print_events(output, found, looked_at)
