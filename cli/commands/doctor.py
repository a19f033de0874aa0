"""`clawr doctor`: checks the machine, the account, facilitators, the dispatcher and its APIs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cli.options import DispatcherOptions, JsonOption, examples, option_groups
from cli.output import Output
from dev.layout import HERE, Layout

if TYPE_CHECKING:
    from cli.doctor.check import Check

EXAMPLES = examples(
    "clawr doctor",
    "clawr doctor --env .env.production",
    "clawr doctor --local --json",
)


@option_groups
def doctor(*, as_json: JsonOption = False, options: DispatcherOptions) -> None:
    """Check tools, token, bindings, facilitators, dispatcher, cron, clock, and the APIs.

    Says how to fix each problem, and changes nothing. What is not configured is reported as not
    checked. Ends with exit code 8 if a check failed; warnings do not count.
    """
    from cli.doctor.account import check_account
    from cli.doctor.apis import check_apis
    from cli.doctor.check import Report, State
    from cli.doctor.dev_server import check_local
    from cli.doctor.dispatcher import check_dispatcher
    from cli.doctor.facilitators import check_facilitators
    from cli.targets import clone

    output = Output(as_json=as_json)
    target = options.find()
    with output.working("Checking this machine, the account, facilitators and the dispatcher …"):
        report = Report(
            [
                *_machine(HERE),
                check_local(target, clone()),
                *check_account(target, HERE.wrangler_toml),
                *check_facilitators(target.settings, HERE.wrangler_toml),
                *check_dispatcher(target),
                *check_apis(target),
            ]
        )
    failed = report.count(State.FAILED)
    if failed:
        output.finding(
            report.document,
            report.show,
            f"{failed} of {len(report.checks)} checks failed.",
            "The report says how to fix each problem.",
        )
    output.result(report.document, report.show)


def _machine(layout: Layout) -> "Iterator[Check]":
    """Check the tools of a clone; the installed command needs none."""
    if layout.is_clone:
        from cli.doctor.machine import check_machine

        yield from check_machine(layout)
