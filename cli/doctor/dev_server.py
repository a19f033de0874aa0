"""The `make dev` that may run on this machine, as its STATE announces it."""

from cli.doctor.check import Check, State
from cli.targets import Target
from dev.launch.announcement import FILE_NAME, NotRunning, find_running
from dev.layout import Layout

PART = "make dev"


def check_local(target: Target, layout: Layout) -> Check:
    """Look whether `make dev` runs, and has said so.

    Args:
        target: What is looked at otherwise.
        layout: The clone.
    """
    state = target.state or layout.cache / "state"
    try:
        running = find_running(state)
    except NotRunning as error:
        if (state / FILE_NAME).exists():
            said = f"it ended without taking back {state / FILE_NAME}"
            return Check(PART, "announcement", State.WARNING, said, "Start `make dev` again.")
        return Check(PART, "announcement", State.UNCHECKED, str(error))
    return Check(PART, "announcement", State.OK, f"runs at {running.dispatcher_url}")
