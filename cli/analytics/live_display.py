"""Shows looks at a snapshot as they come: in place at a terminal, else one below the other."""

from collections.abc import Iterable

from rich.console import Console
from rich.live import Live
from rich.text import Text

from cli.analytics.snapshot import read_snapshot
from cli.analytics.snapshot_view import SnapshotView
from cli.analytics.watching import Look
from cli.output import Output


def show_live(output: Output, seen: Iterable[Look]) -> None:
    """Draw each look over the one before, at a terminal, until it is interrupted.

    Raises:
        CommandError: A look failed for good.
    """
    with Live(
        Text("Asking the dispatcher …"),
        console=output.people,
        refresh_per_second=1,
        vertical_overflow="crop",
    ) as live:
        for look in seen:
            snapshot = read_snapshot(look.document)
            live.update(SnapshotView(snapshot, status=look.trouble, fits_height=True), refresh=True)


def show_each(output: Output, seen: Iterable[Look]) -> None:
    """Print each look that differs from the one before, and once that looks fail.

    Raises:
        CommandError: A look failed for good.
    """
    is_failing = False
    for look in seen:
        if look.trouble and not is_failing:
            output.note(look.trouble)
        is_failing = bool(look.trouble)
        if look.is_new:
            _show_one(output, look)


def _show_one(output: Output, look: Look) -> None:
    view = SnapshotView(read_snapshot(look.document))

    def show(console: Console) -> None:
        console.print(view, soft_wrap=False)
        console.print()

    output.entry(look.document, show)
