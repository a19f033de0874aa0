"""Prints usage events: a list of them, or each as it comes."""

from collections.abc import Sequence

from rich.console import Console

from cli.analytics.event_lines import EventLines
from cli.analytics.event_log import LOOKED_AT_MAX, Event, Follower, Wanted, followed
from cli.output import Output


def print_events(output: Output, found: Sequence[Event], looked_at: int) -> None:
    """Print events that were found, and whether there may be more.

    Args:
        output: Where to.
        found: The events.
        looked_at: How many the log was searched for them.
    """

    def show(console: Console) -> None:
        lines = EventLines(console.width)
        console.print(lines.head())
        for event in found:
            console.print(lines.line(event))
        if looked_at >= LOOKED_AT_MAX:
            output.note(f"Stopped after looking at {looked_at:,} events.")

    document = {"events": [dict(event.document) for event in found], "lookedAt": looked_at}
    output.result(document, show)


def print_stream(
    output: Output, follower: Follower, wanted: Wanted, limit: int, interval_seconds: float
) -> None:
    """Print the last events and then each new one, until it is interrupted.

    Args:
        output: Where to.
        follower: What gives them; it has not begun.
        wanted: Which are printed.
        limit: How many of the last ones to begin with.
        interval_seconds: How long to wait between looks.

    Raises:
        CommandError: They could not be read, in a way that time does not mend.
    """
    lines = EventLines(output.people.width)
    before = follower.begin(limit)
    if not output.as_json:
        output.people.print(lines.head())

    def show(event: Event) -> None:
        if wanted.has(event):
            output.entry(event.document, lambda console: console.print(lines.line(event)))

    for event in before:
        show(event)
    for event in followed(follower, interval_seconds, output.note):
        show(event)
