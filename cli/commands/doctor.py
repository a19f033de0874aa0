"""`clawr doctor`: looks at everything that has to be right, and says what to mend."""

from cli.options import (
    EnvironmentOption,
    JsonOption,
    LocalOption,
    StateOption,
    UrlOption,
    examples,
)
from cli.output import Output

EXAMPLES = examples(
    "clawr doctor",
    "clawr doctor --env .env.production",
    "clawr doctor --local --json",
)


def doctor(
    *,
    as_json: JsonOption = False,
    local: LocalOption = None,
    state: StateOption = None,
    env: EnvironmentOption = None,
    url: UrlOption = None,
) -> None:
    """Check tools, token, rights, bindings, dispatcher, cron and clock, and say what to mend.

    Nothing is changed. What is not configured is not checked, and said so. Ends with exit code
    8 when anything failed; warnings do not count.
    """
    from cli.doctor.account import check_account
    from cli.doctor.check import Report, State
    from cli.doctor.dev_server import check_local
    from cli.doctor.dispatcher import check_dispatcher
    from cli.doctor.machine import check_machine
    from cli.targets import find_target
    from dev.layout import HERE

    output = Output(as_json=as_json)
    target = find_target(local=local, env=env, state=state, url=url)
    with output.working("Looking at this machine, the account and the dispatcher …"):
        report = Report(
            [
                *check_machine(HERE),
                check_local(target, HERE),
                *check_account(target, HERE.wrangler_toml),
                *check_dispatcher(target),
            ]
        )
    failed = report.count(State.FAILED)
    if failed:
        output.finding(
            report.document,
            report.show,
            f"{failed} of {len(report.checks)} checks failed.",
            "The lines above say what to mend.",
        )
    output.result(report.document, report.show)
