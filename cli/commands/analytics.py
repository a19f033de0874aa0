"""`clawr analytics`: the ranking, with bars, once or for as long as somebody watches."""

from enum import StrEnum
from typing import Annotated

import typer

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
    "clawr analytics",
    "clawr analytics --window week --top 10",
    "clawr analytics --watch --interval 10",
    "clawr analytics --local --json",
)


class Window(StrEnum):
    """The windows there are."""

    TODAY = "today"
    WEEK = "week"
    OVERALL = "overall"


def analytics(
    *,
    window: Annotated[Window, typer.Option("--window", help="Which window.")] = Window.TODAY,
    top: Annotated[int, typer.Option("--top", min=1, max=100, help="How many APIs.")] = 25,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, until Ctrl-C.")] = False,
    interval: IntervalOption = 5.0,
    as_json: JsonOption = False,
    local: LocalOption = None,
    state: StateOption = None,
    env: EnvironmentOption = None,
    url: UrlOption = None,
) -> None:
    """Show what was called, by whom, how fast and how well.

    Bars show calls by hour of today, or by day. Below the ranking stands up to when everything
    is counted, and how exact the figures are.

    With --watch, a terminal shows the newest figures until Ctrl-C, which ends with exit code
    130; elsewhere each new snapshot is printed below the one before, with --json as one JSON
    document a line. A dispatcher that goes away is asked again until it is back. While nothing
    changes, a look costs it an answer without a body.
    """
    from cli.analytics.live_display import show_each, show_live
    from cli.analytics.snapshot import read_snapshot
    from cli.analytics.snapshot_view import SnapshotView
    from cli.analytics.watching import PATH, looks
    from cli.platform import Platform
    from cli.targets import find_target

    output = Output(as_json=as_json)
    target = find_target(local=local, env=env, state=state, url=url)
    with Platform(target.dispatcher) as platform:
        if watch:
            seen = looks(platform, window.value, top, interval)
            (show_live if output.is_interactive else show_each)(output, seen)
            return
        with output.working("Asking the dispatcher …"):
            document = platform.get(PATH, window=window.value, top=top)
    view = SnapshotView(read_snapshot(document))
    output.result(document, lambda console: console.print(view, soft_wrap=False))
