"""The command's parts, put together; and the one place that turns failures into output.

Each command is a module of its own in `cli/commands`, which the list below adds. Commands
import what they need when they run, so that help and completion are quick.
"""

import io
import os
import signal
import sys
from typing import Annotated, Final

import typer

from cli.commands import (
    analytics,
    apis,
    deploy_dispatcher,
    doctor,
    events,
    import_legacy,
    kv,
    namespace,
    publish,
    rebuild,
    reconcile,
    show,
    unpublish,
)
from cli.errors import CommandError, InputError
from cli.options import PANEL_ACCOUNT, PANEL_APIS, PANEL_FIGURES
from cli.output import Output
from dev.errors import DevelopmentError, explain_os_error

VERSION: Final = "0.1.0"

MISUSE: Final[type[Exception]] = typer.BadParameter.__mro__[1]
"""What an unknown command or option raises; typer gives it no public name."""

app = typer.Typer(
    name="clawr",
    help="Publish paid APIs, deploy the dispatcher in front of them, and read what they earn.",
    epilog="Every command has examples: clawr COMMAND --help",
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


app.command(rich_help_panel=PANEL_APIS, epilog=publish.EXAMPLES)(publish.publish)
app.command(rich_help_panel=PANEL_APIS, epilog=unpublish.EXAMPLES)(unpublish.unpublish)
app.command(rich_help_panel=PANEL_APIS, epilog=apis.EXAMPLES)(apis.apis)
app.command(rich_help_panel=PANEL_APIS, epilog=show.EXAMPLES)(show.show)
app.command(rich_help_panel=PANEL_FIGURES, epilog=analytics.EXAMPLES)(analytics.analytics)
app.command(rich_help_panel=PANEL_FIGURES, epilog=events.EXAMPLES)(events.events)
app.command(rich_help_panel=PANEL_FIGURES, epilog=reconcile.EXAMPLES)(reconcile.reconcile)
app.command(rich_help_panel=PANEL_FIGURES, epilog=rebuild.EXAMPLES)(rebuild.rebuild)
app.command(rich_help_panel=PANEL_ACCOUNT, epilog=doctor.EXAMPLES)(doctor.doctor)
app.command(rich_help_panel=PANEL_ACCOUNT, epilog=import_legacy.EXAMPLES)(
    import_legacy.import_legacy
)
for name, is_old in ((deploy_dispatcher.NAME, False), (deploy_dispatcher.OLD_NAME, True)):
    app.command(
        name,
        epilog=deploy_dispatcher.EXAMPLES,
        hidden=is_old,
        rich_help_panel=PANEL_ACCOUNT,
    )(deploy_dispatcher.deploy_dispatcher)
app.add_typer(kv.app, name="kv", rich_help_panel=PANEL_ACCOUNT)
app.add_typer(namespace.app, name="namespace", rich_help_panel=PANEL_ACCOUNT)


def main() -> int:
    """Run the command that the arguments name; return its exit code."""
    arguments = sys.argv[1:] or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that has no such character shows another one, and no traceback.
            stream.reconfigure(errors="replace")
    try:
        return _run(arguments)
    except (KeyboardInterrupt, typer.Abort):
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # What is still buffered has nowhere to go; at exit, Python would complain about it.
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
        raise InputError(_explained(error), "`--help` shows what there is.") from error
    except DevelopmentError as error:
        raise CommandError(str(error)) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(explain_os_error(error)) from error
    return code if isinstance(code, int) else 0


def _explained(error: Exception) -> str:
    say = getattr(error, "format_message", None)
    return str(say() if say else error)
