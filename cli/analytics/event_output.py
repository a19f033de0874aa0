"""Prints usage events: a list, or a stream of new ones."""

from collections.abc import Sequence

from rich.console import Console

from cli.analytics.event_lines import EventLines
from cli.analytics.event_log import SEARCHED_MAX, Event, EventFilter, Follower, follow
from cli.output import Output


def print_events(output: Output, found: Sequence[Event], searched: int) -> None:
    """Print events, and whether the search stopped early.

    Args:
        output: The output.
        found: The events.
        searched: How many events were searched.
    """

    def show(console: Console) -> None:
        lines = EventLines(console.width)
        console.print(lines.head())
        for event in found:
            console.print(lines.line(event))
        if searched >= SEARCHED_MAX:
            output.note(f"Stopped after searching {searched:,} events.")

    document = {"events": [dict(event.document) for event in found], "lookedAt": searched}
    output.result(document, show)


def print_stream(
    output: Output, follower: Follower, wanted: EventFilter, limit: int, interval_seconds: float
) -> None:
    """Print the last events and then each new one, until interrupted.

    Args:
        output: The output.
        follower: A new follower.
        wanted: Selects the events to print.
        limit: How many of the last events to read first.
        interval_seconds: The pause between two polls.

    Raises:
        CommandError: The token or the request was rejected, or the first read failed.
    """
    lines = EventLines(output.console.width)
    before = follower.begin(limit)
    if not output.as_json:
        output.console.print(lines.head())

    def show(event: Event) -> None:
        if wanted.matches(event):
            output.entry(event.document, lambda console: console.print(lines.line(event)))

    for event in before:
        show(event)
    for event in follow(follower, interval_seconds, output.note):
        show(event)
