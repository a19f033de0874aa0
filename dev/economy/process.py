"""Starts a server of the economy through the guard, so that it cannot outlive this process."""

import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from dev.errors import ServerError
from dev.launch.guard import GUARD
from dev.layout import HERE

START_SECONDS = 30.0
STOP_SECONDS = 15.0
_POLL_SECONDS = 0.01
_LISTENING = re.compile(r"^Listening on 127\.0\.0\.1:(\d+)$", re.MULTILINE)


class GuardedServer:
    """A running server that prints `Listening on 127.0.0.1:PORT` when it is ready.

    Args:
        name: Its name in messages.
        command: Its command line.
        environment: All its environment variables.
        log: The file for its output.
    """

    def __init__(
        self, name: str, command: Sequence[str | Path], environment: Mapping[str, str], log: Path
    ) -> None:
        """Start the server; `wait_until_ready` waits for it."""
        self.name = name
        self.log = log
        with log.open("wb") as output:
            self._guard = subprocess.Popen(
                [*GUARD, *(str(part) for part in command)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=HERE.root,
                env=environment,
                start_new_session=True,
            )

    def wait_until_ready(self) -> str:
        """Wait until the server listens, and return its address without a trailing slash.

        Raises:
            ServerError: It stopped, or was not ready in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while not (found := _LISTENING.search(self.log.read_text(errors="replace"))):
            if self._guard.poll() is not None:
                raise ServerError(f"{self.name} stopped before it was ready.", self.log)
            if time.monotonic() > deadline:
                raise ServerError(
                    f"{self.name} was not ready within {START_SECONDS:.0f} s.", self.log
                )
            time.sleep(_POLL_SECONDS)
        return f"http://127.0.0.1:{found.group(1)}"

    def stop(self) -> None:
        """Stop the server and all its processes."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        try:
            self._guard.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
