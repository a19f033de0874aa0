"""Starts, watches and stops one `wrangler dev`.

The processes are this one, the guard (`dev.launch.guard`), wrangler and its workerds. If this
process ends, also by a kill, the others end too.
"""

import contextlib
import http.client
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from dev.errors import ServerError
from dev.launch.guard import GUARD
from dev.launch.options import HOST
from dev.launch.output import failure_reason, ready_port, without_escapes
from dev.launch.run_folder import RunFolder
from dev.layout import Layout

START_SECONDS = 120.0
"""Limit until the Worker responds; the slowest known machine took 20 s."""

STOP_SECONDS = 15.0
KEPT_LOGS = 30


class Server:
    """A running `wrangler dev`.

    Args:
        layout: The clone.
        folder: The run's folder with its configuration; removed when the server stops.
        command: The command line of `wrangler dev`.
        environment: All environment variables of wrangler.
        on_line: Called with each line that wrangler prints, without escapes.
        before_stop: Called with the port before a ready server is stopped.
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
        """All output of wrangler; kept after the server stops."""
        self.port = 0
        self._on_line = on_line
        self._before_stop = before_stop
        self._lines: list[str] = []
        self._ready = threading.Event()
        self._guard = subprocess.Popen(
            [*GUARD, *command],
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
        """The base address, without a trailing slash."""
        return f"http://localhost:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether the processes are running."""
        return self._guard.poll() is None

    def wait_until_ready(self, path: str = "/health", seconds: float = START_SECONDS) -> Self:
        """Wait until the Worker responds, so that the first request is no cold start.

        Args:
            path: The path to request; any status below 500 counts as ready.
            seconds: The maximum wait.

        Raises:
            ServerError: wrangler stopped, or the Worker did not respond in time.
        """
        deadline = time.monotonic() + seconds
        while not self._ready.wait(0.02):
            self._check_alive()
            if time.monotonic() > deadline:
                raise ServerError(f"wrangler was not ready within {seconds:.0f} s.", self.log)
        while (
            status := _status(self.port, path)
        ) is None or status >= http.client.INTERNAL_SERVER_ERROR:
            self._check_alive()
            if time.monotonic() > deadline:
                problem = "does not respond" if status is None else f"responds with status {status}"
                raise ServerError(f"The Worker {problem} to GET {path}.", self.log)
            time.sleep(0.1)
        return self

    def wait(self) -> None:
        """Wait until the server stops unexpectedly.

        Raises:
            ServerError: It stopped.
        """
        self._guard.wait()
        self._check_alive()

    def stop(self) -> None:
        """Stop all processes cleanly and remove the run's folder; may be called once."""
        if self.is_running and self.port:
            self._before_stop(self.port)
        if self._guard.stdin and not self._guard.stdin.closed:
            self._guard.stdin.close()
        self._end()

    def kill_hard(self) -> None:
        """Kill all processes, as a loss of power would, and remove the run's folder."""
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
            raise ServerError(f"wrangler stopped: {failure_reason(self._lines)}", self.log)

    def _read(self) -> None:
        output = self._guard.stdout
        assert output is not None
        with self.log.open("wb", buffering=0) as log:
            for raw in output:
                log.write(raw)
                line = without_escapes(raw.decode(errors="replace"))
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
