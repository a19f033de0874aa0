"""The launcher as `make dev` runs it: its output, its errors, and that it stops its processes."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from dev.errors import ServerError
from dev.launch import LaunchOptions, Server, running_dispatcher
from dev.launch.server import START_SECONDS
from dev.launch.start import start
from dev.layout import HERE, Layout
from tests.support.prepared_start import prepared_start

from .launching import SCRIPT, TENANTS, is_alive, launched, until_refused


def test_an_unknown_network_is_named_at_the_start(tmp_path: Path) -> None:
    node = """X402_RPC_URL='{"bsae": "https://node.example/KEY"}'"""
    with launched(tmp_path, VARS=node) as launch:
        assert "'bsae'" in launch.read_until("^warning: ")
        assert not any("KEY" in line for line in launch.lines)


def test_the_printed_commands_work(tmp_path: Path) -> None:
    with launched(tmp_path, VARS="PLATFORM_ANALYTICS_TOKEN='two words'") as launch:
        ready = launch.read_until("^Ready on")
        assert re.fullmatch(r"Ready on http://localhost:\d+", ready)
        launch.read_until("__platform/analytics")
        commands = [line.strip() for line in launch.lines if line.startswith("  curl ")]
        responses = [
            subprocess.run(
                [*shlex.split(command), "--silent", "--max-time", "20"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for command in commands
        ]
        assert len(responses) == 3
        assert responses[0].startswith("echo: ")
        assert responses[1].startswith("echo: ")
        assert json.loads(responses[2])["ok"] is True


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_survives_the_launcher(tmp_path: Path, number: signal.Signals) -> None:
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
        ({"NAMESPACE": "/nowhere"}, "give the folder of the scripts"),
        ({"STATE": "/dev/null/state"}, "choose another one"),
        ({"PORT": "http"}, "give a number"),
        ({"RUNTIME": "other"}, "RUNTIME=local or RUNTIME=cloudflare"),
    ],
)
def test_an_invalid_setting_is_reported_in_one_line(
    tmp_path: Path, settings: dict[str, str], advice: str
) -> None:
    with launched(tmp_path, **settings) as launch:
        output, _ = launch.process.communicate(timeout=30)
        assert launch.process.returncode == 2
    assert output.startswith("error: ")
    assert advice in output
    assert output.count("\n") == 1


def test_a_state_in_use_is_refused_with_the_address_of_who_uses_it(tmp_path: Path) -> None:
    with launched(tmp_path) as first:
        url = first.read_until("^Ready on").rpartition(" ")[2]
        with launched(tmp_path) as second:
            output, _ = second.process.communicate(timeout=30)
        assert second.process.returncode == 2
        assert output.startswith("error: STATE=")
        assert f"in use by another make dev at {url}: stop it" in output
        assert output.count("\n") == 1
        first.process.kill()
        first.process.wait(30)
    with launched(tmp_path) as third:
        third.read_until("^Ready on")


def test_a_port_in_use_is_reported_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with launched(tmp_path, PORT=str(other.getsockname()[1])) as launch:
            output, _ = launch.process.communicate(timeout=30)
    assert re.fullmatch(r"error: Port \d+ is taken: .* PORT=0 .*\n", output)


@pytest.fixture
def own_clone(tmp_path: Path) -> Layout:
    """A clone whose sources tests may change; it shares this clone's set-up."""
    root = tmp_path / "clone"
    (root / "src").mkdir(parents=True)
    (root / "src" / "entry.py").write_text(worker("first"))
    for name in (
        "dev",
        "public",
        "migrations",
        "node_modules",
        "python_modules",
        ".venv",
        "wrangler.toml",
    ):
        (root / name).symlink_to(HERE.root / name)
    (root / ".clawr").mkdir()
    for made in (HERE.bundles, HERE.databases):
        made.mkdir(parents=True, exist_ok=True)
        (root / ".clawr" / made.name).symlink_to(made)
    return Layout(root)


@contextmanager
def with_wrangler(
    folder: Path,
    tenants: str | None = None,
    prepared: Path | None = None,
    layout: Layout = HERE,
) -> Iterator[Server]:
    """Run the dispatcher as `make dev` does: wrangler reloads edited sources."""
    for name in ("state", "scripts"):
        (folder / name).mkdir(exist_ok=True)
    options = LaunchOptions(
        port=0,
        state=folder / "state",
        namespace=folder / "scripts",
        tenant_directory=tenants,
        prepared=prepared,
        reloads=True,
    )
    server = start(layout, options)
    try:
        yield server.wait_until_ready()
    finally:
        server.stop()


def worker(response: str) -> str:
    """Return the source of a Worker that always responds with this text."""
    return (
        "from js import Response\n"
        "async def on_fetch(request, env):\n"
        f"    return Response.new({response!r})\n"
    )


def test_edited_sources_are_reloaded(own_clone: Layout, tmp_path: Path) -> None:
    with with_wrangler(tmp_path, layout=own_clone) as server:
        assert httpx.get(server.url, timeout=START_SECONDS).text == "first"
        deadline = time.monotonic() + START_SECONDS
        saved = 0.0
        # wrangler holds requests until the edited Worker has started.
        while httpx.get(server.url, timeout=START_SECONDS).text != "second":
            assert time.monotonic() < deadline, server.log.read_text()
            # wrangler starts to watch files some time after it is ready, and misses earlier edits.
            if time.monotonic() > saved + 5:
                save(own_clone.root / "src" / "entry.py", worker("second"))
                saved = time.monotonic()
            time.sleep(0.1)


def save(file: Path, text: str) -> None:
    """Save a file by renaming, as editors do, so that wrangler never reads an empty one."""
    edited = file.parent.parent / f"{file.name}.new"
    edited.write_text(text)
    edited.replace(file)


def test_a_worker_that_does_not_start_reports_the_reason(own_clone: Layout, tmp_path: Path) -> None:
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
        worker("").replace("''", "str(len(env.TENANT_DIRECTORY_JSON))")
    )
    directory = {
        "tenants": [{"slug": f"tenant-{i}", "description": "é" * 100} for i in range(3000)]
    }
    text = json.dumps(directory, ensure_ascii=False, separators=(",", ":"))
    with running_dispatcher(state=tmp_path / "state", tenants=text, layout=own_clone) as server:
        assert int(httpx.get(server.url).text) == len(text) > 300_000


def test_a_clean_shutdown_loses_no_event(tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "echo.js").write_text(SCRIPT)
    tenants, prepared = json.dumps(TENANTS), prepared_start()
    with (
        with_wrangler(tmp_path, tenants, prepared) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        # The launcher stops right after the last response, before a group commit is due.
        assert all(client.get("/t/echo/").is_success for _ in range(20))
    with with_wrangler(tmp_path, tenants, prepared) as server:
        response = httpx.get(
            f"{server.url}/__platform/analytics?window=overall",
            headers={"authorization": "Bearer dev-token"},
        )
        assert response.json()["snapshot"]["heroStats"]["calls"] == 20
