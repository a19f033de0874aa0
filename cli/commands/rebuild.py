"""`clawr rebuild`: rebuilds the summaries of a range from the log."""

from typing import Annotated

import typer
from rich.console import Console

from cli.options import DispatcherOptions, ExecuteOption, JsonOption, examples, option_groups
from cli.output import NOTHING_CHANGED, Output

EXAMPLES = examples(
    "clawr rebuild --from 2026-11-22 --to 2026-11-23",
    "clawr rebuild --from 2026-11-22T14:00Z --to 2026-11-22T16:00Z --execute",
)


@option_groups
def rebuild(
    *,
    start: Annotated[str, typer.Option("--from", help="The first minute or day, in UTC.")],
    end: Annotated[str, typer.Option("--to", help="The minute or day after the last, in UTC.")],
    execute: ExecuteOption = False,
    as_json: JsonOption = False,
    options: DispatcherOptions,
) -> None:
    """Rebuild summaries from the log, and list those that changed.

    If the log is intact, none changes. The range is rebuilt hour by hour, and starts at most 39
    days ago. Running the command twice is harmless; if it fails, the error says how to continue.
    """
    from cli.analytics.dates import read_moment
    from cli.analytics.rebuilding import checked_range
    from cli.analytics.rebuilding import rebuild as rebuild_range
    from cli.platform import Platform

    output = Output(as_json=as_json)
    wanted = checked_range(read_moment("--from", start), read_moment("--to", end))
    target = options.find()
    hours, steps = wanted.minutes / 60, len(wanted.steps)
    plan = {
        "from": wanted.start.isoformat(),
        "to": wanted.end.isoformat(),
        "hours": hours,
        "steps": steps,
        "executed": execute,
    }
    if not execute:
        address = target.dispatcher.url

        def show_plan(console: Console) -> None:
            console.print(
                f"Would rebuild the summaries of {wanted} at {address}: {hours:g} hours in "
                f"{steps} steps."
            )
            console.print(NOTHING_CHANGED)

        output.result(plan, show_plan)
        return
    with (
        Platform(target.dispatcher) as platform,
        output.advancing("Rebuilding minutes", wanted.minutes) as advance,
    ):
        done = rebuild_range(
            platform,
            wanted,
            lambda done: advance(int((done.until - wanted.start).total_seconds()) // 60),
        )

    def show(console: Console) -> None:
        console.print(
            f"Rebuilt {done.summaries:,} summaries of {wanted} with {done.operations:,} KV "
            "operations."
        )
        if not done.changed:
            console.print("None changed.")
            return
        console.print(f"{len(done.changed)} were wrong and are corrected:")
        for key in done.changed:
            console.print(f"  {key}", markup=False)

    document = {
        **plan,
        "rebuilt": done.summaries,
        "changed": done.changed,
        "operations": done.operations,
    }
    output.result(document, show)
