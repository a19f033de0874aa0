"""`python -m dev.launch`: runs the dispatcher; `make dev` calls it after set-up.

With `PAYMENTS=1` in the environment it first starts a local chain and facilitator. Options come
from the environment; `VARS` has secrets and therefore is no argument, which other users of the
machine could read.
"""

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import FrameType

from dev.economy import Economy, running_economy
from dev.economy.announcement import announced
from dev.errors import run_command_line
from dev.launch.announcement import registered, reserved
from dev.launch.config import load_production_config, run_variables, script_folders
from dev.launch.examples import Example, examples
from dev.launch.inspection import (
    directory_mistakes,
    failing_scripts,
    namespace_mistakes,
    setting_mistakes,
)
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
from dev.launch.output import TerminalFilter, without_prefix
from dev.launch.payments import (
    check_payments,
    payment_examples,
    wallet_lines,
    with_priced_apis,
)
from dev.launch.problems import unusable_settings
from dev.launch.start import start
from dev.launch.variables import parse_variables
from dev.layout import HERE, Layout


def main() -> int:
    """Run the dispatcher until Ctrl-C or a termination signal."""
    options = read_options(HERE)
    with_payments = check_payments(os.environ.get("PAYMENTS", ""))
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        with ExitStack() as parts:
            economy = None
            parts.enter_context(reserved(options.state))
            if with_payments:
                print("Starting a local chain and a facilitator …", file=sys.stderr, flush=True)
                economy = parts.enter_context(running_economy())
                settings = {**economy.settings(), **options.variables}
                options = replace(options, variables=settings)
            run(options, economy)
    except KeyboardInterrupt:
        pass
    return 0


def run(options: LaunchOptions, economy: Economy | None) -> None:
    """Run the dispatcher until it is interrupted.

    Args:
        options: The run's options.
        economy: The local payment economy; `None` without payments.

    Raises:
        ServerError: It did not start, or stopped unexpectedly.
        KeyboardInterrupt: It was interrupted and has stopped.
    """
    mistakes = setting_mistakes(options.variables)
    folders = script_folders(options)
    for message in [
        *mistakes.values(),
        *directory_mistakes(options.tenant_directory, _label("TENANTS", "the demo directory")),
        *namespace_mistakes(folders, options.tenant_directory, _namespace_label()),
    ]:
        _warn(message)
    print("Starting wrangler …", file=sys.stderr, flush=True)
    terminal = TerminalFilter()

    def show(line: str) -> None:
        if terminal.shows(line):
            print(without_prefix(line), flush=True)

    server = start(HERE, options, show)
    with ExitStack() as parts:
        parts.callback(server.stop)
        try:
            from dev.launch.api import announced_api  # noqa: PLC0415 (while wrangler starts)

            server.wait_until_ready()
            parts.enter_context(announced_api(HERE, options, server))
            parts.enter_context(registered(HERE.running, options.state))
            if economy:
                nodes = (economy.rpc_url, economy.solana_rpc_url)
                parts.enter_context(announced(options.state, server.url, *nodes))
            print_introduction(server.url, options, economy)
            if options.variables and (token := _token(options)):
                for message in unusable_settings(server.port, token):
                    if not any(name in message for name in mistakes):
                        _warn(message)
            for message in failing_scripts(options.namespace, _namespace_label()):
                _warn(message)
            server.wait()
        except KeyboardInterrupt:
            print("Stopping …", file=sys.stderr, flush=True)
            raise


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr, flush=True)


def _label(name: str, default: str) -> str:
    """Return an option as the user gave it."""
    return f"{name}={os.environ[name]}" if os.environ.get(name) else default


def _namespace_label() -> str:
    return _label("NAMESPACE", "the demo namespace")


def print_introduction(url: str, options: LaunchOptions, economy: Economy | None) -> None:
    """Print the dispatcher's address, token and example commands.

    Args:
        url: The dispatcher's address, without a trailing slash.
        options: The run's options.
        economy: The local payment economy; `None` without payments.
    """
    print(f"Ready on {url}", flush=True)
    token = _token(options)
    print(
        f"Platform token: {token}"
        if token
        else "No platform token: /__platform rejects all requests."
    )
    print(f"Explore page: {url}/explore")
    if economy:
        print("\n".join(wallet_lines(economy)))
    where = "" if _is_default(options) else f" --state {shlex.quote(str(options.state))}"
    publish = f".venv/bin/clawr publish FILE.csv --slug NAME --local{where} --execute"
    print(f"Publish an API:\n  {publish}")
    for example in _examples(url, options, token, economy):
        print(f"{example.purpose}:\n  {example.command}", flush=True)


def _token(options: LaunchOptions) -> str | None:
    """Return the platform token of a run; None if it has none."""
    variables = run_variables(load_production_config(HERE.wrangler_toml), options)
    return variables.get("PLATFORM_ANALYTICS_TOKEN")


def _examples(
    url: str, options: LaunchOptions, token: str | None, economy: Economy | None
) -> Iterator[Example]:
    yield from examples(url, options.tenant_directory, token)
    if economy:
        state = None if _is_default(options) else options.state
        yield from payment_examples(url, options.tenant_directory, state)


def _is_default(options: LaunchOptions) -> bool:
    return options.state == (HERE.cache / "state").absolute()


def read_options(layout: Layout) -> LaunchOptions:
    """Return the checked options of the command line and the environment.

    Args:
        layout: The clone, for the defaults.

    Raises:
        UsageError: An option is invalid.
    """
    parser = argparse.ArgumentParser(prog="python -m dev.launch", description=__doc__)
    parser.add_argument(
        "--port", help=f"port on 127.0.0.1, 0 for any free one (PORT, {DEFAULT_PORT})"
    )
    parser.add_argument("--state", help="folder of local KV and databases (STATE, .clawr/state)")
    parser.add_argument("--tenants", help="tenant directory, a JSON file (TENANTS, the demo's)")
    parser.add_argument(
        "--namespace", help="folder of the tenants' scripts (NAMESPACE, the demo's)"
    )
    parser.add_argument("--runtime", help="Pyodide bundle: local or cloudflare (RUNTIME, local)")
    parser.add_argument(
        "--prepared", help="folder of a memory snapshot of the Worker, for tests of the launcher"
    )
    arguments = parser.parse_args()

    def given(name: str) -> str | None:
        return getattr(arguments, name) or os.environ.get(name.upper()) or None

    demo = layout.root / "dev" / "demo"
    tenants = given("tenants")
    tenants_file = Path(tenants) if tenants else demo / "tenants.json"
    namespace = given("namespace")
    directory = check_tenants(tenants_file) if tenants or tenants_file.exists() else None
    if directory and not tenants and check_payments(os.environ.get("PAYMENTS", "")):
        directory = with_priced_apis(directory, demo / "priced.json")
    return LaunchOptions(
        port=check_port(given("port") or str(DEFAULT_PORT)),
        state=check_state(Path(given("state") or layout.cache / "state")),
        namespace=check_namespace(Path(namespace) if namespace else _demo_namespace(layout)),
        tenant_directory=directory,
        variables=parse_variables(os.environ.get("VARS", "")),
        runtime=check_runtime(given("runtime") or Runtime.LOCAL.value),
        prepared=Path(arguments.prepared) if arguments.prepared else None,
        reloads=True,
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
