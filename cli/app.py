"""Assembles the commands of `clawr`, and turns every failure into output and an exit code."""

import io
import os
import signal
import sys
from typing import Annotated, Final

import typer

from cli.commands import (
    analytics,
    apis,
    costs,
    deploy_dispatcher,
    doctor,
    events,
    import_legacy,
    logs,
    publish,
    rebuild,
    reconcile,
    rollback,
    show,
    stores,
    token,
    unpublish,
    usage,
)
from cli.errors import CommandError, InputError
from cli.help import Command, Group
from cli.options import PANEL_ACCOUNT, PANEL_ANALYTICS, PANEL_APIS
from cli.output import Output
from dev.errors import DevelopmentError, explain_os_error

VERSION: Final = "0.1.0"

MISUSE: Final[type[Exception]] = typer.BadParameter.__mro__[1]
"""The exception for an unknown command or option; typer does not export its class."""

app = typer.Typer(
    name="clawr",
    cls=Group,
    help="Publish paid APIs, deploy the dispatcher in front of them, and see usage and revenue.",
    epilog="Show a command's options and examples: clawr COMMAND --help",
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"clawr {VERSION}")
        raise typer.Exit


@app.callback()
def _clawr(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


LISTED: Final = (
    (PANEL_APIS, ((publish, publish.publish), (apis, apis.apis), (show, show.show))),
    (PANEL_APIS, ((logs, logs.logs), (unpublish, unpublish.unpublish))),
    (PANEL_ANALYTICS, ((analytics, analytics.analytics), (usage, usage.usage))),
    (PANEL_ANALYTICS, ((events, events.events),)),
    (PANEL_ANALYTICS, ((reconcile, reconcile.reconcile), (rebuild, rebuild.rebuild))),
    (PANEL_ACCOUNT, ((doctor, doctor.doctor), (costs, costs.costs))),
    (PANEL_ACCOUNT, ((import_legacy, import_legacy.import_legacy),)),
)
"""The commands that are named like their functions, in the order of the help."""

for panel, listed in LISTED:
    for module, function in listed:
        app.command(cls=Command, rich_help_panel=panel, epilog=module.EXAMPLES)(function)
for name, is_old in ((deploy_dispatcher.NAME, False), (deploy_dispatcher.OLD_NAME, True)):
    app.command(
        name,
        cls=Command,
        epilog=deploy_dispatcher.EXAMPLES,
        hidden=is_old,
        rich_help_panel=PANEL_ACCOUNT,
    )(deploy_dispatcher.deploy_dispatcher)
app.command(cls=Command, rich_help_panel=PANEL_ACCOUNT, epilog=rollback.EXAMPLES)(rollback.rollback)
app.add_typer(token.token_app, name="token", rich_help_panel=PANEL_ACCOUNT)
app.add_typer(stores.kv_app, name="kv", rich_help_panel=PANEL_ACCOUNT)
app.add_typer(stores.namespace_app, name="namespace", rich_help_panel=PANEL_ACCOUNT)


def main() -> int:
    """Run the command in `sys.argv`; return its exit code."""
    arguments = sys.argv[1:] or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Replace characters that the terminal cannot show, instead of failing.
            stream.reconfigure(errors="replace")
    try:
        return _run(arguments)
    except (KeyboardInterrupt, typer.Abort):
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Python flushes at exit, and would report that the pipe is closed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except CommandError as error:
        output = Output(as_json="--json" in arguments)
        if os.environ.get("DEBUG"):
            output.current_traceback()
        output.failure(error)
        return error.exit_code


def _run(arguments: list[str]) -> int:
    try:
        code = app(arguments, prog_name="clawr", standalone_mode=False)
    except MISUSE as error:
        is_old = deploy_dispatcher.OLD_NAME in arguments[:1]
        advice = "Run it with --help to see its options."
        if arguments[-1] == "--clear":
            from cli.publish.kept import clearable_names  # noqa: PLC0415 - only for this mistake

            advice = f"These can be cleared: {clearable_names()}."
        raise InputError(
            _usage_message(error), deploy_dispatcher.OLD_NAME_ADVICE if is_old else advice
        ) from error
    except DevelopmentError as error:
        raise CommandError(str(error)) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(explain_os_error(error)) from error
    return code if isinstance(code, int) else 0


def _usage_message(error: Exception) -> str:
    format_message = getattr(error, "format_message", None)
    return str(format_message() if format_message else error)
