"""`clawr analytics`: a window's totals and ranking, once or continuously."""

from enum import StrEnum
from typing import Annotated

import typer

from cli.options import (
    DispatcherOptions,
    IntervalOption,
    JsonOption,
    examples,
    option_groups,
)
from cli.output import Output

EXAMPLES = examples(
    "clawr analytics",
    "clawr analytics --window week --top 10",
    "clawr analytics --watch --interval 10",
    "clawr analytics --local --json",
)


class Window(StrEnum):
    """The analytics windows."""

    TODAY = "today"
    WEEK = "week"
    OVERALL = "overall"


@option_groups
def analytics(
    *,
    window: Annotated[Window, typer.Option("--window", help="The window to show.")] = Window.TODAY,
    top: Annotated[int, typer.Option("--top", min=1, max=100, help="How many APIs to list.")] = 25,
    watch: Annotated[bool, typer.Option("--watch", help="Update until Ctrl-C.")] = False,
    interval: IntervalOption = 5.0,
    as_json: JsonOption = False,
    target: DispatcherOptions,
) -> None:
    """Show totals and a ranking of APIs by calls, callers, latency, errors and revenue.

    The bars are calls by hour for today, otherwise by day. The last lines say up to when
    everything is counted, and how exact the totals are.

    With --watch, a terminal shows the current totals until Ctrl-C, which ends the command with exit
    code 130. Without a terminal, each new snapshot is printed below the previous one; with --json,
    as one JSON document per line. While the dispatcher cannot be reached, the command retries.
    While nothing changes, the dispatcher responds without a body.
    """
    from cli.analytics.demo_history import NOTICE, has_demo_history
    from cli.analytics.live_display import show_each, show_live
    from cli.analytics.snapshot import read_snapshot
    from cli.analytics.snapshot_view import SnapshotView
    from cli.analytics.watching import PATH, watch_snapshot
    from cli.platform import Platform

    output = Output(as_json=as_json)
    with Platform(target.find().dispatcher) as platform:
        is_demo = has_demo_history(platform)
        if watch:
            if is_demo:
                output.note(NOTICE)
            updates = watch_snapshot(platform, window.value, top, interval)
            (show_live if output.is_interactive else show_each)(output, updates)
            return
        with output.working("Requesting analytics …"):
            document = platform.get(PATH, window=window.value, top=top)
    view = SnapshotView(read_snapshot(document), status=NOTICE if is_demo else "")
    shown = {**document, "demoHistory": is_demo}
    output.result(shown, lambda console: console.print(view, soft_wrap=False))
