"""`clawr rebuild`: rebuilds the totals of UTC days from the log."""

from typing import Annotated

import typer
from rich.console import Console

from cli.options import DispatcherOptions, ExecuteOption, JsonOption, examples, option_groups
from cli.output import NOTHING_CHANGED, Output

EXAMPLES = examples(
    "clawr rebuild --from 2026-11-22 --to 2026-11-23",
    "clawr rebuild --from 2026-11-01 --to 2026-12-01 --execute",
)


@option_groups
def rebuild(
    *,
    start: Annotated[str, typer.Option("--from", help="The first UTC day.")],
    end: Annotated[str, typer.Option("--to", help="The UTC day after the last.")],
    execute: ExecuteOption = False,
    as_json: JsonOption = False,
    options: DispatcherOptions,
) -> None:
    """Rebuild the totals of UTC days from the log, and list those that changed.

    If the log and the totals are intact, none changes. A day can be rebuilt as long as the log has
    it, which is 400 days. Running the command twice is harmless; if it fails, the error says how to
    continue.
    """
    from cli.analytics.dates import read_moment
    from cli.analytics.rebuilding import checked_range
    from cli.analytics.rebuilding import rebuild as rebuild_range
    from cli.platform import Platform

    output = Output(as_json=as_json)
    wanted = checked_range(read_moment("--from", start), read_moment("--to", end))
    target = options.find()
    plan = {
        "from": f"{wanted.start}",
        "to": f"{wanted.end}",
        "days": wanted.days,
        "executed": execute,
    }
    if not execute:
        address = target.dispatcher.url

        def show_plan(console: Console) -> None:
            console.print(
                f"Would rebuild the totals of {wanted.days} days, {wanted}, at {address}."
            )
            console.print(NOTHING_CHANGED)

        output.result(plan, show_plan)
        return
    with (
        Platform(target.dispatcher) as platform,
        output.advancing("Rebuilding days", wanted.days) as advance,
    ):
        done = rebuild_range(
            platform, wanted, lambda done: advance((done.until - wanted.start).days)
        )

    def show(console: Console) -> None:
        console.print(f"Rebuilt the totals of {wanted.days} days, {wanted}.")
        if done.changed:
            console.print(f"{len(done.changed)} were wrong and are corrected:")
            for day in done.changed:
                console.print(f"  {day}", markup=False)
        else:
            console.print("None changed.")
        for day, reason in sorted(done.failed.items()):
            console.print(f"  {day} was not rebuilt: {reason}", markup=False)

    document = {
        **plan,
        "segments": done.segments,
        "changed": done.changed,
        "notRebuilt": done.failed,
    }
    if done.failed:
        output.finding(
            document,
            show,
            f"{len(done.failed)} days cannot be rebuilt.",
            "Their stored totals were not changed.",
        )
    output.result(document, show)
