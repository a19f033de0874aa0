"""Runs the launcher in the background, as make does."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dev.layout import HERE
from tests.support.prepared_start import prepared_start

TENANTS = {
    "tenants": [
        {"slug": "echo", "tenantId": "t1", "workerName": "echo", "hosts": ["echo.example"]},
    ]
}
SCRIPT = 'export default { fetch(request) { return new Response("echo: " + request.url); } };'


@dataclass
class Launch:
    """A launcher in the background.

    Args:
        process: The process.
        lines: The lines printed so far.
    """

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def read_until(self, pattern: str) -> str:
        """Read lines until one matches and return it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if re.search(pattern, line):
                return self.lines[-1]
        pytest.fail(f"the launcher ended after: {self.lines}")

    @property
    def guard(self) -> int:
        """The guard's process id, the launcher's only child."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(children.read_text().split()[0])


@contextmanager
def launched(tmp_path: Path, **variables: str) -> Iterator[Launch]:
    """Start the launcher with settings in the environment, as make does, from the snapshot."""
    (tmp_path / "scripts").mkdir(exist_ok=True)
    (tmp_path / "scripts" / "echo.js").write_text(SCRIPT)
    (tmp_path / "tenants.json").write_text(json.dumps(TENANTS))
    settings = {
        "PORT": "0",
        "STATE": str(tmp_path / "state"),
        "TENANTS": str(tmp_path / "tenants.json"),
        "NAMESPACE": str(tmp_path / "scripts"),
        "VARS": "",
        "RUNTIME": "",
        "PYTHONPATH": str(HERE.root / "src"),
        **variables,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "dev.launch", "--prepared", prepared_start()],
        cwd=HERE.root,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield Launch(process)
        finally:
            process.terminate()
            process.wait(30)


def until_refused(port: int) -> None:
    """Wait until nothing listens on a port of this machine."""
    deadline = time.monotonic() + 20
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return
        assert time.monotonic() < deadline, f"something still listens on port {port}"
        time.sleep(0.05)


def is_alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()
