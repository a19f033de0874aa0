"""Checks whether `make dev` runs on this machine."""

from cli.doctor.check import Check, State
from cli.targets import Target
from dev.launch.announcement import FILE_NAME, NotRunning, find_running
from dev.layout import Layout

PART = "make dev"


def check_local(target: Target, layout: Layout) -> Check:
    """Check the file with which `make dev` announces itself in its STATE folder.

    Args:
        target: Its `state` is the folder, if it has one.
        layout: The clone, for the default folder.
    """
    state = target.state or layout.cache / "state"
    try:
        running = find_running(state)
    except NotRunning as error:
        if (state / FILE_NAME).exists():
            message = f"it ended without removing {state / FILE_NAME}"
            return Check(PART, "announcement", State.WARNING, message, "Start `make dev` again.")
        return Check(PART, "announcement", State.UNCHECKED, str(error))
    return Check(PART, "announcement", State.OK, f"running at {running.dispatcher_url}")
