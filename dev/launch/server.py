"""One running `wrangler dev`: started, awaited, watched, ended.

The chain of processes is this one, the guard (`dev.launch.guard`), wrangler and its
workerds. Whatever ends this one ends the rest.
"""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

from dev.errors import ServerError
from dev.launch.config import development_config, load_production_config
from dev.launch.options import HOST, LaunchOptions, Runtime
from dev.launch.output import plain, ready_port, why
from dev.launch.run_folder import RunFolder
from dev.layout import HERE, Layout
from dev.setup.machine import Machine
from dev.setup.node import find_node
from dev.setup.npm import workerd_binary
from dev.setup.pyodide_bundle import bundle_folder

START_SECONDS = 120.0
"""How long wrangler may take until the Worker answers; the slowest machine seen took 20."""

STOP_SECONDS = 15.0
KEPT_LOGS = 30


class Server:
    """A running `wrangler dev`.

    Args:
        layout: The clone.
        folder: The run's folder, its configuration written; removed when the server ends.
        options: The run's options.
        on_line: Called with each line that wrangler prints, without colours.
    """

    def __init__(
        self,
        layout: Layout,
        folder: RunFolder,
        options: LaunchOptions,
        on_line: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """Start the processes; `wait_until_ready` waits for them."""
        self.folder = folder
        self.log = _new_log(layout, folder)
        """Everything that wrangler printed; it stays after the server's end."""
        self.port = 0
        self._on_line = on_line
        self._lines: list[str] = []
        self._ready = threading.Event()
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "dev.launch.guard", *_wrangler_command(layout, folder, options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder.path,
            env=_environment(layout, folder, options),
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


@contextlib.contextmanager
def running_dispatcher(
    *,
    state: Path,
    tenants: str | None = None,
    namespace: Path | None = None,
    variables: Mapping[str, str] | None = None,
    runtime: Runtime = Runtime.LOCAL,
    layout: Layout = HERE,
) -> Iterator[Server]:
    """Run the dispatcher on a free port for the time of a `with` block.

    Args:
        state: The folder where local KV and databases live; the same folder again sees
            what an earlier run stored.
        tenants: The tenant directory's JSON text.
        namespace: The folder of the tenants' scripts; an empty one when left out.
        variables: Settings and secrets on top of the development ones.
        runtime: Which Pyodide bundle to use.
        layout: The clone; set-up must have run.

    Yields:
        The server, answering requests.

    Raises:
        ServerError: It did not start.
    """
    state.mkdir(parents=True, exist_ok=True)
    scripts = namespace or state / "no-scripts"
    scripts.mkdir(parents=True, exist_ok=True)
    options = LaunchOptions(
        port=0,
        state=state.absolute(),
        namespace=scripts.absolute(),
        tenant_directory=tenants,
        variables=variables or {},
        runtime=runtime,
    )
    server = start(layout, options)
    try:
        yield server.wait_until_ready()
    finally:
        server.stop()


def start(
    layout: Layout, options: LaunchOptions, on_line: Callable[[str], None] = lambda _line: None
) -> Server:
    """Start the dispatcher without waiting for it.

    Args:
        layout: The clone; set-up must have run.
        options: The run's options.
        on_line: Called with each line that wrangler prints, without colours.
    """
    production = load_production_config(layout.wrangler_toml)
    folder = RunFolder(layout)
    folder.write_config(development_config(production, options, plugin_folder(layout)))
    return Server(layout, folder, options, on_line)


def plugin_folder(layout: Layout) -> Path:
    """Return the folder of the package that serves dispatch namespaces locally."""
    return layout.root / "dev" / "dispatch-namespace"


def _wrangler_command(layout: Layout, folder: RunFolder, options: LaunchOptions) -> list[str]:
    return [
        str(find_node(layout)),
        str(layout.node_modules / "wrangler" / "bin" / "wrangler.js"),
        *("dev", "--config", str(folder.config), "--ip", HOST, "--port", str(options.port)),
        # Port 0 keeps several runs from competing for the debugger's default port.
        *("--inspector-port", "0", "--persist-to", str(options.state)),
        "--show-interactive-dev-session=false",
    ]


def _environment(layout: Layout, folder: RunFolder, options: LaunchOptions) -> dict[str, str]:
    quiet = {
        "WRANGLER_SEND_METRICS": "false",
        "WRANGLER_SEND_ERROR_REPORTS": "false",
        "WRANGLER_HIDE_BANNER": "true",
        "WRANGLER_LOG_PATH": str(folder.path / ".wrangler" / "logs"),
        # Runs of the same Worker must not take each other for the service to call.
        "WRANGLER_REGISTRY_PATH": str(folder.path / ".wrangler" / "registry"),
        # Looks up `request.cf` on Cloudflare's servers, which fails without a network.
        "CLOUDFLARE_CF_FETCH_ENABLED": "false",
        # Records a trace of every request in the state folder.
        "X_LOCAL_OBSERVABILITY": "false",
        # The guard is a module of this clone and runs in another folder.
        "PYTHONPATH": str(layout.root),
    }
    environment = {**os.environ, **quiet}
    # Set by the launcher of another run when one starts the other; never to be inherited.
    environment.pop("MINIFLARE_WORKERD_PATH", None)
    if options.runtime is Runtime.LOCAL:
        workerd = workerd_binary(layout, Machine.current().workerd_package())
        environment["MINIFLARE_WORKERD_PATH"] = str(Path(__file__).with_name("workerd.sh"))
        environment["CLAWR_WORKERD"] = str(workerd)
        environment["CLAWR_PYODIDE_BUNDLE"] = str(bundle_folder(layout))
    return environment


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
