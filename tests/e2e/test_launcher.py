"""The launcher as `make dev` runs it: what it prints, and that it leaves nothing behind."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from dev.errors import ServerError
from dev.launch import running_dispatcher
from dev.layout import HERE, Layout

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
        lines: What it has printed so far.
    """

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def read_until(self, pattern: str) -> str:
        """Read lines until one matches, and return that one."""
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
    """Start the launcher with settings in the environment, as make does."""
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
        **variables,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "dev.launch"],
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


def test_the_commands_it_prints_work_as_they_stand(tmp_path: Path) -> None:
    with launched(tmp_path, VARS="PLATFORM_ANALYTICS_TOKEN='two words'") as launch:
        ready = launch.read_until("^Ready on")
        assert re.fullmatch(r"Ready on http://localhost:\d+", ready)
        launch.read_until("__platform/analytics")
        commands = [line.strip() for line in launch.lines if line.startswith("  curl ")]
        answers = [
            subprocess.run(
                [*shlex.split(command), "--silent", "--max-time", "20"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for command in commands
        ]
        assert len(answers) == 3
        assert answers[0].startswith("echo: ")
        assert answers[1].startswith("echo: ")
        assert json.loads(answers[2])["ok"] is True


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_runs_on_after_its_end(tmp_path: Path, number: signal.Signals) -> None:
    with launched(tmp_path) as launch:
        port = int(launch.read_until("^Ready on").rpartition(":")[2])
        guard = launch.guard
        launch.process.send_signal(number)
        code = launch.process.wait(30)
        assert code == (-number if number is signal.SIGKILL else 0)
        until_refused(port)
        deadline = time.monotonic() + 15
        while is_alive(guard):
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"VARS": "NOT-A-WORD"}, "is not KEY=VALUE"),
        ({"TENANTS": "/nowhere.json"}, "give a JSON file"),
        ({"NAMESPACE": "/nowhere"}, "give the folder that holds the scripts"),
        ({"STATE": "/dev/null/state"}, "choose another one"),
        ({"PORT": "http"}, "give a number"),
        ({"RUNTIME": "other"}, "RUNTIME=local or RUNTIME=cloudflare"),
    ],
)
def test_what_cannot_be_used_ends_in_one_line(
    tmp_path: Path, settings: dict[str, str], advice: str
) -> None:
    with launched(tmp_path, **settings) as launch:
        output, _ = launch.process.communicate(timeout=30)
        assert launch.process.returncode == 2
    assert output.startswith("error: ")
    assert advice in output
    assert output.count("\n") == 1


def test_a_taken_port_ends_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with launched(tmp_path, PORT=str(other.getsockname()[1])) as launch:
            output, _ = launch.process.communicate(timeout=30)
    assert re.fullmatch(r"error: Port \d+ is taken: .* PORT=0 .*\n", output)


@pytest.fixture
def own_clone(tmp_path: Path) -> Layout:
    """A clone whose sources may be changed, on top of this one's set-up."""
    root = tmp_path / "clone"
    (root / "src").mkdir(parents=True)
    (root / "src" / "entry.py").write_text(worker("first"))
    for name in ("dev", "node_modules", "python_modules", ".venv", "wrangler.toml"):
        (root / name).symlink_to(HERE.root / name)
    (root / ".clawr").mkdir()
    (root / ".clawr" / "bundles").symlink_to(HERE.bundles)
    return Layout(root)


def worker(answer: str) -> str:
    """Return the source of a Worker that gives one answer."""
    return (
        "from workers import Response, WorkerEntrypoint\n"
        "class Default(WorkerEntrypoint):\n"
        "    async def fetch(self, request):\n"
        f"        return Response({answer!r})\n"
    )


def test_an_edit_is_picked_up_while_it_runs(own_clone: Layout, tmp_path: Path) -> None:
    with running_dispatcher(state=tmp_path / "state", layout=own_clone) as server:
        assert httpx.get(server.url).text == "first"
        deadline = time.monotonic() + 60
        saved = 0.0
        while httpx.get(server.url, timeout=30).text != "second":
            assert time.monotonic() < deadline, server.log.read_text()
            # wrangler starts to watch some time after it is ready, and misses what came before.
            if time.monotonic() > saved + 5:
                save(own_clone.root / "src" / "entry.py", worker("second"))
                saved = time.monotonic()
            time.sleep(0.1)


def save(file: Path, text: str) -> None:
    """Save a file as editors do: one that is written in place may be read while it is empty."""
    edited = file.parent.parent / f"{file.name}.new"
    edited.write_text(text)
    edited.replace(file)


def test_a_worker_that_does_not_start_says_why(own_clone: Layout, tmp_path: Path) -> None:
    (own_clone.root / "src" / "entry.py").write_text("import not_there\n")
    with (
        pytest.raises(ServerError, match="No module named 'not_there'") as failure,
        running_dispatcher(state=tmp_path / "state", layout=own_clone),
    ):
        pass
    assert failure.value.log is not None
    assert "not_there" in failure.value.log.read_text()


def test_a_large_tenant_directory_reaches_the_worker(own_clone: Layout, tmp_path: Path) -> None:
    (own_clone.root / "src" / "entry.py").write_text(
        worker("").replace("''", "str(len(self.env.TENANT_DIRECTORY_JSON))")
    )
    directory = {
        "tenants": [{"slug": f"tenant-{i}", "description": "é" * 100} for i in range(3000)]
    }
    text = json.dumps(directory, ensure_ascii=False, separators=(",", ":"))
    with running_dispatcher(state=tmp_path / "state", tenants=text, layout=own_clone) as server:
        assert int(httpx.get(server.url).text) == len(text) > 300_000


def test_a_clean_end_loses_no_event(tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "echo.js").write_text(SCRIPT)
    run: dict[str, Any] = {
        "state": tmp_path / "state",
        "tenants": json.dumps(TENANTS),
        "namespace": scripts,
    }
    with running_dispatcher(**run) as server, httpx.Client(base_url=server.url) as client:
        # It ends right after the last answer, before a group commit is due.
        assert all(client.get("/t/echo/").is_success for _ in range(20))
    with running_dispatcher(**run) as server:
        answer = httpx.get(
            f"{server.url}/__platform/analytics?window=overall",
            headers={"authorization": "Bearer dev-token"},
        )
        assert answer.json()["snapshot"]["heroStats"]["calls"] == 20
