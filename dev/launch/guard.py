"""`GUARD COMMAND…`: runs a command that must not outlive its parent.

The parent holds the other end of this process's standard input. When that end closes, also
because the parent was killed, the command and all processes of its group are terminated, so
that no workerd remains.

Signals: SIGTERM terminates the command; SIGUSR1 kills its whole group at once, with which
tests simulate a loss of power.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading

GUARD = (sys.executable, "-I", "-S", __file__)
"""The command line's beginning. As a module of its package it would import the whole launcher."""

GRACE_SECONDS = 8.0
"""How long the command may take to terminate before it is killed."""

AWAITED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1}

_PR_SET_PDEATHSIG = 1


def main(command: list[str]) -> int:
    """Run `command` until it ends or this process's standard input closes.

    Returns:
        The command's exit code, or 128 plus the number of the signal that terminated it.
    """
    # Blocking the signals and waiting for them avoids a race between check and sleep.
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_prepare_child,  # noqa: PLW1509 (no thread has been started yet)
    )
    threading.Thread(target=_watch_lifeline, daemon=True).start()
    while (code := child.poll()) is None:
        match signal.sigwait(AWAITED):
            case signal.SIGTERM | signal.SIGINT:
                _terminate_group(child.pid)
            case signal.SIGUSR1:
                _signal_group(child.pid, signal.SIGKILL)
    _signal_group(child.pid, signal.SIGKILL)
    return code if code >= 0 else 128 - code


def _terminate_group(group: int) -> None:
    _signal_group(group, signal.SIGTERM)
    killer = threading.Timer(GRACE_SECONDS, _signal_group, (group, signal.SIGKILL))
    killer.daemon = True
    killer.start()


def _watch_lifeline() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _prepare_child() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, AWAITED)
    # Only on Linux; handles the case that this process is killed.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
