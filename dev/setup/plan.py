"""The steps of set-up for each purpose, in order."""

from dev.layout import Layout
from dev.setup.chromium import ensure_chromium
from dev.setup.command_file import ensure_command
from dev.setup.economy import ensure_economy
from dev.setup.lock import exclusive
from dev.setup.machine import Machine, check_python
from dev.setup.node import ensure_node
from dev.setup.npm import ensure_npm_packages, workerd_binary
from dev.setup.pyodide_bundle import ensure_bundle
from dev.setup.virtualenv import INSTALLER, ensure_packages, ensure_venv
from dev.setup.worker_modules import ensure_inside_modules, ensure_worker_modules

RUN = "run"
PAYMENTS = "payments"
TOOLS = "tools"
BROWSER = "browser"
PURPOSES = (RUN, PAYMENTS, TOOLS, BROWSER)


def set_up(layout: Layout, purpose: str) -> None:
    """Run the missing steps of set-up.

    Args:
        layout: The clone.
        purpose: `RUN` for the dispatcher, `PAYMENTS` also for the local payment economy, `TOOLS`
            also for checks and simulations, `BROWSER` also for tests, benchmarks and
            screenshots, which need Chromium.

    Raises:
        SetupError: A step failed; the next call continues with it.
    """
    check_python()
    machine = Machine.current()
    workerd = workerd_binary(layout, machine.workerd_package())
    waiting = "Waiting for another set-up in this clone to finish …"
    with exclusive(layout.cache / "setup.lock", waiting) as lock:
        ensure_venv(layout)
        ensure_packages(layout, INSTALLER, "Installing uv", lock)
        ensure_packages(layout, RUN, "Installing Python packages", lock)
        ensure_command(layout)
        node = ensure_node(layout, lock)
        ensure_npm_packages(layout, node, machine, lock)
        ensure_worker_modules(layout, lock)
        ensure_bundle(layout, workerd, lock)
        if purpose != RUN:
            ensure_economy(layout, node, machine, lock)
        if purpose in (TOOLS, BROWSER):
            ensure_packages(layout, TOOLS, "Installing test and check tools", lock)
            ensure_inside_modules(layout, lock)
        if purpose == BROWSER:
            ensure_chromium(layout, lock)
