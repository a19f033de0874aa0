"""The log of `make dev`: what scripts did, one trace per line, in the STATE folder.

The dispatch namespace writes it (`dev/dispatch-namespace/src/log.node.js`). A full file becomes
`FILE.1`, and a new one begins.
"""

import json
import time
from collections.abc import Callable, Generator
from datetime import datetime
from pathlib import Path
from typing import Final

from cli.apis.traces import Trace, read_trace
from cli.targets import Target
from dev.launch.config import script_log

POLL_SECONDS: Final = 0.2


class ScriptLog:
    """The traces of one script.

    Args:
        file: The log.
        script: The script's name.
    """

    def __init__(self, file: Path, script: str) -> None:
        """Keep the arguments; the file may not exist yet."""
        self._file = file
        self._script = script
        self._read_bytes = 0
        """How much of the file was read; it is continued from there."""
        self._inode = 0

    def read(self, since: datetime | None = None) -> list[Trace]:
        """Return the logged traces, oldest first.

        Args:
            since: Leaves out earlier ones; `None` for all.
        """
        older = self._file.with_name(f"{self._file.name}.1")
        lines = older.read_bytes().splitlines() if older.exists() else []
        traces = self._traces([*lines, *self._new_lines()])
        return [one for one in traces if since is None or one.at >= since]

    def follow(self, pause: Callable[[float], None] = time.sleep) -> Generator[Trace]:
        """Yield the traces that are written from now on, or since `read`, endlessly.

        Args:
            pause: Waits for a number of seconds.
        """
        while True:
            yield from self._traces(self._new_lines())
            pause(POLL_SECONDS)

    def _new_lines(self) -> list[bytes]:
        try:
            with self._file.open("rb") as file:
                inode = self._file.stat().st_ino
                if inode != self._inode:
                    self._inode, self._read_bytes = inode, 0
                file.seek(self._read_bytes)
                content = file.read()
        except FileNotFoundError:
            return []
        # The last line may be incomplete while it is written.
        complete = content[: content.rfind(b"\n") + 1]
        self._read_bytes += len(complete)
        return complete.splitlines()

    def _traces(self, lines: list[bytes]) -> list[Trace]:
        traces = []
        for line in lines:
            try:
                document = json.loads(line)
            except ValueError:
                continue  # A line that was cut when `make dev` was killed.
            trace = read_trace(document) if isinstance(document, dict) else None
            if trace is not None and trace.script == self._script:
                traces.append(trace)
        return traces


def open_log(target: Target, script: str) -> ScriptLog | None:
    """Return the log of a script under `make dev`; `None` for an account.

    Args:
        target: The account or `make dev`.
        script: The script's name.
    """
    return None if target.state is None else ScriptLog(script_log(target.state), script)


def last_exception(target: Target, script: str) -> str | None:
    """Return when and how a script failed last under `make dev`; `None` if it is not known.

    Args:
        target: The account or `make dev`.
        script: The script's name.
    """
    log = open_log(target, script)
    failed = [one for one in log.read() if one.exceptions] if log else []
    if not failed:
        return None
    last = failed[-1]
    head = f"{last.at:%Y-%m-%d %H:%M:%S} UTC, {last.method} {last.path}"
    return "\n".join((head, *last.exceptions))
