"""`clawr rebuild`: makes summaries of a range again from the log."""

from typing import Annotated

import typer
from rich.console import Console

from cli.options import (
    EnvironmentOption,
    ExecuteOption,
    JsonOption,
    LocalOption,
    StateOption,
    UrlOption,
    examples,
)
from cli.output import Output

EXAMPLES = examples(
    "clawr rebuild --from 2026-11-22 --to 2026-11-23",
    "clawr rebuild --from 2026-11-22T14:00Z --to 2026-11-22T16:00Z --execute",
)


def rebuild(
    *,
    start: Annotated[str, typer.Option("--from", help="The first minute, or day; UTC.")],
    end: Annotated[str, typer.Option("--to", help="The minute or day after the last; UTC.")],
    execute: ExecuteOption = False,
    as_json: JsonOption = False,
    local: LocalOption = None,
    state: StateOption = None,
    env: EnvironmentOption = None,
    url: UrlOption = None,
) -> None:
    """Make summaries again from the log, and say which came out differently.

    In a sound log none does. The range is done an hour at a time, within the last 39 days. Doing
    it twice does no harm; what fails on the way says how to go on from there.
    """
    from cli.analytics.dates import read_moment
    from cli.analytics.rebuilding import checked_range
    from cli.analytics.rebuilding import rebuild as rebuild_range
    from cli.platform import Platform
    from cli.targets import find_target

    output = Output(as_json=as_json)
    wanted = checked_range(read_moment("--from", start), read_moment("--to", end))
    target = find_target(local=local, env=env, state=state, url=url)
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
                f"Would make the summaries of {wanted} again at {address}: {hours:g} hours in "
                f"{steps} steps."
            )
            console.print("Nothing was changed; --execute does it.")

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
            f"Made {done.summaries:,} summaries of {wanted} again, with {done.operations:,} KV "
            "operations."
        )
        if not done.changed:
            console.print("None came out differently.")
            return
        console.print(f"{len(done.changed)} came out differently, and are mended:")
        for key in done.changed:
            console.print(f"  {key}", markup=False)

    document = {
        **plan,
        "rebuilt": done.summaries,
        "changed": done.changed,
        "operations": done.operations,
    }
    output.result(document, show)
