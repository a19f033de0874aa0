"""`clawr deploy-dispatcher`, from its options to its exit code."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from rich.console import Console

from cli.account_api import open_account
from cli.deploy.execution import Deployment, check_executable, execute
from cli.deploy.inspection import Inspection, address, inspect
from cli.deploy.plan import Plan, make_plan
from cli.deploy.request import DeployRequest
from cli.deploy.settings import CONFIDENTIAL
from cli.deploy.show import plan_document, result_document, show_plan, show_result
from cli.deploy.wrangler import Wrangler
from cli.errors import AccessError
from cli.output import Output
from cli.secret import Secret
from cli.stores import Stores
from cli.targets import Target
from dev.launch.run_folder import RunFolder
from dev.layout import Layout
from dev.setup.plan import RUN, set_up

WAIT_SECONDS: Final = 60.0
_NOTHING_DONE: Final = "Nothing was done: add --execute."


def deploy(
    request: DeployRequest,
    target: Target,
    layout: Layout,
    output: Output,
    *,
    is_executed: bool,
    wait_seconds: float = WAIT_SECONDS,
) -> None:
    """Plan a deployment, carry it out if asked, print both.

    Args:
        request: What was asked for.
        target: The account and, if known, the dispatcher's address.
        layout: The clone; what its set-up lacks after an upgrade is made up for.
        output: Where to print.
        is_executed: Whether it is carried out.
        wait_seconds: For how long the dispatcher may be silent afterwards.

    Raises:
        FindingError: It is deployed, and something is wrong with what answers.
        CommandError: It could not be planned or carried out.
    """
    account = target.account if is_executed else target.known_account
    set_up(layout, RUN)
    # As with Ctrl-C: wrangler ends, and the file with the secrets goes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _folder(layout) as folder:
        secrets = tuple(target.settings.get(name, "") for name in CONFIDENTIAL)
        wrangler = Wrangler(layout, folder, account, secrets)
        if account is None:
            with output.working("Building the Worker …"):
                plan = make_plan(request, target.settings, wrangler, None, _why(target))
            _show_plan(plan, output)
            return
        with open_account(account) as client:
            stores = Stores(client, account.account_id)
            with output.working("Building the Worker, and reading what is deployed …"):
                plan = make_plan(request, target.settings, wrangler, stores, None)
            if not is_executed:
                _show_plan(plan, output)
                return
            check_executable(plan)
            if not output.as_json:
                show_plan(plan, output.people)
            deployment = None
            if plan.changes:
                with output.steps() as progress:
                    wrangler = replace(wrangler, on_line=progress)
                    deployment = execute(plan, wrangler, stores, progress)
            found = _looked_at(target, plan, stores, output, wait_seconds)
    _show_result(plan, deployment, found, output)


@contextmanager
def _folder(layout: Layout) -> Iterator[RunFolder]:
    layout.runs.mkdir(parents=True, exist_ok=True)
    folder = RunFolder(layout)
    try:
        yield folder
    finally:
        folder.remove()


def _why(target: Target) -> str:
    try:
        _ = target.account
    except AccessError as error:
        return error.message
    raise AssertionError("there is an account")


def _looked_at(
    target: Target, plan: Plan, stores: Stores, output: Output, wait_seconds: float
) -> Inspection:
    progress: Callable[[str], None]
    with output.steps() as progress:
        url = target.known_dispatcher.url if target.known_dispatcher else None
        if url is None and plan.request.domains:
            url = f"https://{plan.request.domains[0]}"
        if url is None:
            url = address(stores.client, stores.account_id, plan.request.script_name)
        token = Secret(target.settings.get("PLATFORM_ANALYTICS_TOKEN", ""))
        return inspect(url, token, wait_seconds, progress)


def _show_plan(plan: Plan, output: Output) -> None:
    def show(console: Console) -> None:
        show_plan(plan, console)
        if plan.changes:
            console.print(_NOTHING_DONE, markup=False)

    output.result({"executed": False, **plan_document(plan)}, show)


def _show_result(
    plan: Plan, deployment: Deployment | None, found: Inspection, output: Output
) -> None:
    document = {"executed": True, **plan_document(plan), **result_document(deployment, found)}

    def show(console: Console) -> None:
        show_result(deployment, found, console)

    if found.problems:
        output.finding(document, show, "Something is wrong with what answers.", found.problems[0])
    output.result(document, show)
