"""Shows updates of a snapshot: in place in a terminal, otherwise one below the other."""

from collections.abc import Iterable

from rich.console import Console
from rich.live import Live
from rich.text import Text

from cli.analytics.snapshot import read_snapshot
from cli.analytics.snapshot_view import SnapshotView
from cli.analytics.watching import Update
from cli.output import Output


def show_live(output: Output, updates: Iterable[Update]) -> None:
    """Draw each update over the previous one in a terminal, until interrupted.

    Raises:
        CommandError: As for `watch_snapshot`.
    """
    with Live(
        Text("Requesting analytics …"),
        console=output.console,
        refresh_per_second=1,
        vertical_overflow="crop",
    ) as live:
        for update in updates:
            snapshot = read_snapshot(update.document)
            live.update(
                SnapshotView(snapshot, status=update.failure, fits_height=True), refresh=True
            )


def show_each(output: Output, updates: Iterable[Update]) -> None:
    """Print each new snapshot, and the first failure of each outage.

    Raises:
        CommandError: As for `watch_snapshot`.
    """
    is_failing = False
    for update in updates:
        if update.failure and not is_failing:
            output.note(update.failure)
        is_failing = bool(update.failure)
        if update.is_new:
            _show_one(output, update)


def _show_one(output: Output, update: Update) -> None:
    view = SnapshotView(read_snapshot(update.document))

    def show(console: Console) -> None:
        console.print(view, soft_wrap=False)
        console.print()

    output.entry(update.document, show)
