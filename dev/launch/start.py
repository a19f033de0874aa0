"""Starts the dispatcher: builds wrangler's arguments and environment."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dev.launch.config import development_config, load_production_config
from dev.launch.databases import apply_migrations
from dev.launch.drain import wait_until_written
from dev.launch.options import HOST, LaunchOptions, Runtime
from dev.launch.prepared import PreparedStart
from dev.launch.run_folder import RunFolder
from dev.launch.server import Server
from dev.layout import HERE, Layout
from dev.setup.machine import Machine
from dev.setup.node import find_node
from dev.setup.npm import workerd_binary
from dev.setup.pyodide_bundle import find_bundle


@contextlib.contextmanager
def running_dispatcher(
    *,
    state: Path,
    tenants: str | None = None,
    namespace: Path | None = None,
    variables: Mapping[str, str] | None = None,
    with_api: bool = False,
    prepared: Path | None = None,
    layout: Layout = HERE,
) -> Iterator[Server]:
    """Run the dispatcher on a free port during a `with` block.

    Args:
        state: The folder of local KV and databases; it keeps its data between runs.
        tenants: The tenant directory as JSON text.
        namespace: The folder of the tenants' scripts; empty by default.
        variables: Settings and secrets that override the development ones.
        with_api: Whether to serve the local Cloudflare API too, and announce both in `state`.
            Only then a prepared start has miniflare's local explorer, which this API and
            `make demo HISTORY=` use: its 600 KB of JavaScript are a sixth of a start.
        prepared: The folder of a prepared start (`dev.launch.prepared`): the first start in it
            prepares later ones, which do without wrangler. They cannot run Python scripts of the
            namespace, as workerd has one snapshot for a process.
        layout: The clone; set-up must have run.

    Yields:
        The server, ready for requests.

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
        prepared=prepared,
        has_explorer=with_api,
    )
    server = start(layout, options)
    with contextlib.ExitStack() as parts:
        parts.callback(server.stop)
        if with_api:
            from dev.launch.api import announced_api  # noqa: PLC0415 (while wrangler starts)

            server.wait_until_ready()
            parts.enter_context(announced_api(layout, options, server))
        yield server.wait_until_ready()


def start(
    layout: Layout, options: LaunchOptions, on_line: Callable[[str], None] = lambda _line: None
) -> Server:
    """Start the dispatcher without waiting until it is ready.

    Args:
        layout: The clone; set-up must have run.
        options: The run's options.
        on_line: Called with each line that wrangler prints, without escapes.
    """
    production = load_production_config(layout.wrangler_toml)
    folder = RunFolder(layout, copies=not options.reloads)
    config = development_config(production, options, plugin_folder(layout))
    return start_in(layout, folder, config, options, on_line)


def start_in(
    layout: Layout,
    folder: RunFolder,
    config: Mapping[str, Any],
    options: LaunchOptions,
    on_line: Callable[[str], None] = lambda _line: None,
    *,
    extra: Mapping[str, str] | None = None,
) -> Server:
    """Start `wrangler dev` in a run's folder with a given configuration.

    Args:
        layout: The clone; set-up must have run.
        folder: The run's folder; removed when the server ends or cannot be started.
        config: The content of wrangler.json.
        options: The run's options.
        on_line: Called with each line that wrangler prints, without escapes.
        extra: Further environment variables.

    Raises:
        SetupError: Set-up has not run.
    """
    try:
        folder.write_config(config)
        environment = {**_environment(layout, folder, options), **(extra or {})}
        apply_migrations(layout, folder, config, options, environment)
        command = _wrangler_command(layout, folder, options)
        if options.prepared is not None:
            prepared = PreparedStart(options.prepared, config)
            environment.update(prepared.environment(options))
            if prepared.is_recorded and not options.reloads:
                command = prepared.command(layout, options)
        return Server(
            layout,
            folder,
            command=command,
            environment=environment,
            on_line=on_line,
            before_stop=_drain(config),
        )
    except BaseException:
        folder.remove()
        raise


def _drain(config: Mapping[str, Any]) -> Callable[[int], None]:
    token = str(config.get("vars", {}).get("PLATFORM_ANALYTICS_TOKEN", ""))
    return lambda port: wait_until_written(port, token)


def plugin_folder(layout: Layout) -> Path:
    """Return the folder of the npm package that emulates dispatch namespaces."""
    return layout.root / "dev" / "dispatch-namespace"


def _wrangler_command(layout: Layout, folder: RunFolder, options: LaunchOptions) -> list[str]:
    return [
        str(find_node(layout)),
        str(layout.node_modules / "wrangler" / "bin" / "wrangler.js"),
        *("dev", "--config", str(folder.config), "--ip", HOST, "--port", str(options.port)),
        # With port 0, several runs do not compete for the debugger's default port.
        *("--inspector-port", str(options.inspector_port), "--persist-to", str(options.state)),
        "--show-interactive-dev-session=false",
    ]


def _environment(layout: Layout, folder: RunFolder, options: LaunchOptions) -> dict[str, str]:
    quiet = {
        "WRANGLER_SEND_METRICS": "false",
        "WRANGLER_SEND_ERROR_REPORTS": "false",
        "WRANGLER_HIDE_BANNER": "true",
        "WRANGLER_LOG_PATH": str(folder.path / ".wrangler" / "logs"),
        # Separate registries: runs of the same Worker must not call each other.
        "WRANGLER_REGISTRY_PATH": str(folder.path / ".wrangler" / "registry"),
        # Otherwise wrangler fetches `request.cf` from Cloudflare, which needs a network.
        "CLOUDFLARE_CF_FETCH_ENABLED": "false",
        # Otherwise a trace of every request is stored in the state folder.
        "X_LOCAL_OBSERVABILITY": "false",
        # Compiling wrangler and miniflare takes a third of a second.
        "NODE_COMPILE_CACHE": str(layout.cache / "node"),
    }
    environment = {**os.environ, **quiet}
    # Not inherited: they belong to the run that started this one.
    environment.pop("MINIFLARE_WORKERD_PATH", None)
    environment.pop("CLAWR_KEPT_STARTS", None)
    environment.pop("CLAWR_SNAPSHOTS", None)
    if options.runtime is Runtime.LOCAL:
        environment.update(bundle_environment(layout, options.bundle))
    return environment


def bundle_environment(layout: Layout, bundle: Path | None = None) -> dict[str, str]:
    """Return the environment variables that make miniflare's workerd use the local bundle.

    Args:
        layout: The clone; set-up must have run.
        bundle: The bundle's folder; `None` for the one that set-up built.

    Raises:
        SetupError: Set-up has not run.
    """
    return {
        "MINIFLARE_WORKERD_PATH": str(Path(__file__).with_name("workerd.sh")),
        "CLAWR_WORKERD": str(workerd_binary(layout, Machine.current().workerd_package())),
        "CLAWR_PYODIDE_BUNDLE": str(bundle or find_bundle(layout)),
    }
