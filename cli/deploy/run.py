"""Runs `clawr deploy-dispatcher`: plan, deploy, check, print."""

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
from cli.deploy.settings import confidential_names
from cli.deploy.show import plan_document, result_document, show_plan, show_result
from cli.deploy.wrangler import Wrangler
from cli.errors import AccessError
from cli.output import NOTHING_CHANGED, Output
from cli.secret import Secret
from cli.stores import Stores
from cli.targets import Target
from dev.launch.run_folder import RunFolder
from dev.layout import Layout
from dev.setup.plan import RUN, set_up

WAIT_SECONDS: Final = 60.0


def deploy(
    request: DeployRequest,
    target: Target,
    layout: Layout,
    output: Output,
    *,
    is_executed: bool,
    wait_seconds: float = WAIT_SECONDS,
) -> None:
    """Plan a deployment; with `is_executed`, carry it out and check the dispatcher.

    Args:
        request: The request.
        target: The account and, if known, the dispatcher's URL.
        layout: The clone. Its set-up is completed first if it is not current.
        output: The output.
        is_executed: Whether to carry it out.
        wait_seconds: How long to wait for the deployed dispatcher to respond.

    Raises:
        FindingError: The deployed dispatcher has problems.
        CommandError: The deployment could not be planned or carried out.
    """
    account = target.account if is_executed else target.known_account
    set_up(layout, RUN)
    # As with Ctrl-C, end wrangler and delete the file with the secrets.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _folder(layout) as folder:
        secrets = tuple(
            target.settings.get(name, "") for name in confidential_names(target.settings)
        )
        wrangler = Wrangler(layout, folder, account, secrets)
        if account is None:
            with output.working("Building the Worker …"):
                plan = make_plan(request, target.settings, wrangler, None, _missing_account(target))
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
                show_plan(plan, output.console)
            deployment = None
            if plan.changes:
                with output.steps() as progress:
                    wrangler = replace(wrangler, on_line=progress)
                    deployment = execute(plan, wrangler, stores, progress)
            inspection = _inspect(target, plan, stores, output, wait_seconds)
    _show_result(plan, deployment, inspection, output)


@contextmanager
def _folder(layout: Layout) -> Iterator[RunFolder]:
    layout.runs.mkdir(parents=True, exist_ok=True)
    folder = RunFolder(layout)
    try:
        yield folder
    finally:
        folder.remove()


def _missing_account(target: Target) -> str:
    """Return the message of the error that `target.account` raises."""
    try:
        _ = target.account
    except AccessError as error:
        return error.message
    raise AssertionError("there is an account")


def _inspect(
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
            console.print(NOTHING_CHANGED, markup=False)

    output.result({"executed": False, **plan_document(plan)}, show)


def _show_result(
    plan: Plan, deployment: Deployment | None, inspection: Inspection, output: Output
) -> None:
    document = {"executed": True, **plan_document(plan), **result_document(deployment, inspection)}

    def show(console: Console) -> None:
        show_result(deployment, inspection, console)

    if inspection.problems:
        problem = inspection.problems[0]
        output.finding(document, show, "The deployed dispatcher has problems.", problem)
    output.result(document, show)
