"""One running `wrangler dev`: started, awaited, watched, ended.

The chain of processes is this one, the guard (`dev.launch.guard`), wrangler and its
workerds. Whatever ends this one ends the rest.
"""

import contextlib
import http.client
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from dev.errors import ServerError
from dev.launch.options import HOST
from dev.launch.output import plain, ready_port, why
from dev.launch.run_folder import RunFolder
from dev.layout import Layout

START_SECONDS = 120.0
"""How long wrangler may take until the Worker answers; the slowest machine seen took 20."""

STOP_SECONDS = 15.0
KEPT_LOGS = 30


class Server:
    """A running `wrangler dev`.

    Args:
        layout: The clone.
        folder: The run's folder, its configuration written; removed when the server ends.
        command: The command line of `wrangler dev`.
        environment: All its environment variables.
        on_line: Called with each line that wrangler prints, without colours.
        before_stop: Called with the port when a ready server is about to be stopped.
    """

    def __init__(
        self,
        layout: Layout,
        folder: RunFolder,
        *,
        command: Sequence[str],
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
        before_stop: Callable[[int], None] = lambda _port: None,
    ) -> None:
        """Start the processes; `wait_until_ready` waits for them."""
        self.folder = folder
        self.log = _new_log(layout, folder)
        """Everything that wrangler printed; it stays after the server's end."""
        self.port = 0
        self._on_line = on_line
        self._before_stop = before_stop
        self._lines: list[str] = []
        self._ready = threading.Event()
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "dev.launch.guard", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder.path,
            env=environment,
            start_new_session=True,
            pass_fds=(folder.lock,),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def url(self) -> str:
        """The base address, without a slash at the end."""
        return f"http://localhost:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether the processes are still there."""
        return self._guard.poll() is None

    def wait_until_ready(self, path: str = "/health", seconds: float = START_SECONDS) -> Self:
        """Wait until the Worker answers, so that nobody's first request is a cold start.

        Args:
            path: What to ask it for; any answer below 500 counts.
            seconds: How long to wait at most.

        Raises:
            ServerError: wrangler ended, or the Worker did not answer in time.
        """
        deadline = time.monotonic() + seconds
        while not self._ready.wait(0.02):
            self._check_alive()
            if time.monotonic() > deadline:
                raise ServerError(f"wrangler was not ready within {seconds:.0f} s.", self.log)
        while (
            answer := _status(self.port, path)
        ) is None or answer >= http.client.INTERNAL_SERVER_ERROR:
            self._check_alive()
            if time.monotonic() > deadline:
                shown = "nothing" if answer is None else f"status {answer}"
                raise ServerError(f"The Worker answers GET {path} with {shown}.", self.log)
            time.sleep(0.1)
        return self

    def wait(self) -> None:
        """Wait until the server ends by itself.

        Raises:
            ServerError: It did; it is not meant to.
        """
        self._guard.wait()
        self._check_alive()

    def stop(self) -> None:
        """End all processes in good order and remove the run's folder; at most once."""
        if self.is_running and self.port:
            self._before_stop(self.port)
        if self._guard.stdin and not self._guard.stdin.closed:
            self._guard.stdin.close()
        self._end()

    def kill_hard(self) -> None:
        """End all processes at once, as a loss of power does, and remove the run's folder."""
        with contextlib.suppress(ProcessLookupError):
            self._guard.send_signal(signal.SIGUSR1)
        self._end()

    def _end(self) -> None:
        try:
            self._guard.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
        self._reader.join(STOP_SECONDS)
        for stream in (self._guard.stdin, self._guard.stdout):
            if stream and not stream.closed:
                stream.close()
        if self.folder.path.exists():
            self.folder.remove()

    def _check_alive(self) -> None:
        if not self.is_running:
            self._reader.join(STOP_SECONDS)
            raise ServerError(f"wrangler ended: {why(self._lines)}", self.log)

    def _read(self) -> None:
        output = self._guard.stdout
        assert output is not None
        with self.log.open("wb", buffering=0) as log:
            for raw in output:
                log.write(raw)
                line = plain(raw.decode(errors="replace"))
                if not self._ready.is_set():
                    self._lines.append(line)
                    self.port = ready_port(line) or 0
                    if self.port:
                        self._ready.set()
                self._on_line(line)


def _new_log(layout: Layout, folder: RunFolder) -> Path:
    layout.logs.mkdir(parents=True, exist_ok=True)
    logs = sorted(layout.logs.glob("run-*.log"), key=lambda path: path.stat().st_mtime)
    for old in logs[:-KEPT_LOGS]:
        old.unlink(missing_ok=True)
    path = layout.logs / f"{folder.path.name}.log"
    path.touch(mode=0o600)
    return path


def _status(port: int, path: str) -> int | None:
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return None
    else:
        return response.status
    finally:
        connection.close()
