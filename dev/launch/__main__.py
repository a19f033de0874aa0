"""`python -m dev.launch`: what `make dev` runs once set-up is done.

Options come from the environment, as make passes them; `VARS` holds secrets and is never
an argument, which other users of the machine could read.
"""

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from dev.errors import run_command_line
from dev.launch.config import load_production_config, run_variables
from dev.launch.examples import examples
from dev.launch.options import (
    DEFAULT_PORT,
    LaunchOptions,
    Runtime,
    check_namespace,
    check_port,
    check_runtime,
    check_state,
    check_tenants,
)
from dev.launch.output import TerminalFilter
from dev.launch.start import start
from dev.launch.variables import parse_variables
from dev.layout import HERE, Layout


def main() -> int:
    """Run the dispatcher until Ctrl-C or a termination signal."""
    options = read_options(HERE)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    print("Starting wrangler …", file=sys.stderr, flush=True)
    terminal = TerminalFilter()

    def show(line: str) -> None:
        if terminal.shows(line):
            print(line, flush=True)

    server = start(HERE, options, show)
    try:
        server.wait_until_ready()
        print(f"Ready on {server.url}", flush=True)
        variables = run_variables(load_production_config(HERE.wrangler_toml), options)
        token = variables.get("PLATFORM_ANALYTICS_TOKEN")
        print(f"Platform token: {token}" if token else "No platform token: __platform is closed.")
        for example in examples(server.url, options.tenant_directory, token):
            print(f"{example.purpose}:\n  {example.command}", flush=True)
        server.wait()
    except KeyboardInterrupt:
        print("Stopping …", file=sys.stderr, flush=True)
    finally:
        server.stop()
    return 0


def read_options(layout: Layout) -> LaunchOptions:
    """Return the options of the command line and the environment, checked.

    Args:
        layout: The clone, for the defaults.

    Raises:
        UsageError: One of them cannot be used.
    """
    parser = argparse.ArgumentParser(prog="python -m dev.launch", description=__doc__)
    parser.add_argument(
        "--port", help=f"port at 127.0.0.1, 0 for any free one (PORT, {DEFAULT_PORT})"
    )
    parser.add_argument("--state", help="folder of local KV and databases (STATE, .clawr/state)")
    parser.add_argument("--tenants", help="tenant directory, a JSON file (TENANTS, the demo's)")
    parser.add_argument(
        "--namespace", help="folder of the tenants' scripts (NAMESPACE, the demo's)"
    )
    parser.add_argument(
        "--runtime", help="local or cloudflare: whose Pyodide bundle (RUNTIME, local)"
    )
    arguments = parser.parse_args()

    def given(name: str) -> str | None:
        return getattr(arguments, name) or os.environ.get(name.upper()) or None

    demo = layout.root / "dev" / "demo"
    tenants = given("tenants")
    tenants_file = Path(tenants) if tenants else demo / "tenants.json"
    namespace = given("namespace")
    return LaunchOptions(
        port=check_port(given("port") or str(DEFAULT_PORT)),
        state=check_state(Path(given("state") or layout.cache / "state")),
        namespace=check_namespace(Path(namespace) if namespace else _demo_namespace(layout)),
        tenant_directory=check_tenants(tenants_file) if tenants or tenants_file.exists() else None,
        variables=parse_variables(os.environ.get("VARS", "")),
        runtime=check_runtime(given("runtime") or Runtime.LOCAL.value),
    )


def _demo_namespace(layout: Layout) -> Path:
    demo = layout.root / "dev" / "demo" / "namespace"
    if demo.is_dir():
        return demo
    empty = layout.cache / "no-scripts"
    empty.mkdir(parents=True, exist_ok=True)
    return empty


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(run_command_line(main))
