"""`python -m cli.command_reference [--check]`: writes `docs/command.md` from the commands.

`--check` writes nothing, and fails if the page is out of date.
"""

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer.main

from cli.app import app
from cli.errors import CommandError
from dev.layout import HERE

PAGE: Final = HERE.root / "docs" / "command.md"

SHARED: Final = ("--execute", "--json", "--local", "--state", "--env", "--url")
"""The options that are described once for all commands (cli.options)."""

_HEADING = ("argument or option", "description")

_HEAD = """\
# The command `clawr`

<!-- Written by `python -m cli.command_reference` from the commands themselves. -->

`make clawr` installs it as `.venv/bin/clawr`, or as `clawr` after `. .venv/bin/activate`.
`clawr --install-completion` installs completion of commands, options, windows and APIs for bash,
zsh and fish."""

_BODY = """\
## Behavior of all commands

**Target.** `--local` selects the `make dev` running on this machine. `--remote` selects the
Cloudflare account of `CLOUDFLARE_ACCOUNT_ID` and `CLOUDFLARE_API_TOKEN`, and the dispatcher at
`CLAWR_URL` (or `--url`) with the token `PLATFORM_ANALYTICS_TOKEN`. The default is the account if
one is configured, otherwise `make dev`. `--env FILE` reads settings from a file of `KEY=VALUE`
lines; environment variables take precedence.

**Output.** The result goes to standard output, everything else to standard error. `--json` prints
exactly one JSON document, also if the command fails: then `ok` is false, and `error` (a code),
`message`, `advice` and `findings` describe the failure. Commands that run until Ctrl-C print one
document per line. Colors and progress are shown in terminals only; `NO_COLOR=1` disables colors.

**Safety.** A command that changes something only shows the changes; `--execute` applies them.
Tokens are never printed, even if a server echoes them, and are sent only to the server that they
are for: redirects are not followed. Idempotent requests are retried after server errors and
connection failures.

**Errors** say what is wrong and how to fix it. `DEBUG=1` adds the traceback."""


@dataclass(frozen=True, slots=True)
class ListedCommand:
    """A command.

    Args:
        words: The words after `clawr`, such as `("kv", "list")`.
        panel: The help panel that it or its group is in.
        command: typer's command object; its parameters are in `params`.
    """

    words: Sequence[str]
    panel: str
    command: Any  # typer does not export its classes of commands

    @property
    def name(self) -> str:
        """The words after `clawr`, such as `kv list`."""
        return " ".join(self.words)


def commands() -> Sequence[ListedCommand]:
    """Return all commands that are not hidden, in the order of the help."""
    return list(_commands_below((), "", typer.main.get_command(app)))


def examples(listed: ListedCommand) -> Sequence[str]:
    """Return the example command lines in a command's help."""
    text = (listed.command.epilog or "").removeprefix("Examples:")
    lines = (line.strip().strip("`") for line in re.split(r"\n|  ·  ", text))
    return [line for line in lines if line]


def page() -> str:
    """Return the page as Markdown."""
    return "\n\n".join(part.strip() for part in _parts() if part.strip()) + "\n"


def is_current() -> bool:
    """Return whether the page on disk is up to date; print how to update it if not."""
    if PAGE.exists() and PAGE.read_text() == page():
        return True
    name = PAGE.relative_to(HERE.root)
    print(f"{name} is out of date. Run python -m cli.command_reference.")
    return False


def _commands_below(
    words: tuple[str, ...],
    panel: str,
    command: Any,  # noqa: ANN401
) -> Iterator[ListedCommand]:
    panel = str(getattr(command, "rich_help_panel", None) or panel)
    subcommands = getattr(command, "commands", None)
    if subcommands is None:
        yield ListedCommand(words, panel, command)
        return
    for name, one in subcommands.items():
        if not one.hidden:
            yield from _commands_below((*words, name), panel, one)


def _parts() -> Iterator[str]:
    yield _HEAD
    listed = commands()
    panels = list(dict.fromkeys(str(one.panel) for one in listed))
    rows = [
        (f"[`clawr {one.name}`](#clawr-{one.name.replace(' ', '-')})", _first(one.command.help))
        for panel in panels
        for one in listed
        if str(one.panel) == panel
    ]
    yield _table(("command", "description"), rows)
    yield _BODY
    yield "## Options of most commands"
    yield _table(_HEADING, _shared_rows(listed))
    yield "## Exit codes"
    yield _table(("code", "meaning"), _exit_codes())
    for panel in panels:
        yield f"## {panel}"
        for one in listed:
            if str(one.panel) == panel:
                yield from _command(one)


def _command(listed: ListedCommand) -> Iterator[str]:
    yield f"### `clawr {listed.name}`"
    for paragraph in inspect.cleandoc(listed.command.help).split("\n\n"):
        yield _joined(paragraph)
    own, shared = _parameters(listed)
    yield _table(_HEADING, own)
    if shared:
        yield "[Options of most commands](#options-of-most-commands): " + ", ".join(shared) + "."
    found = examples(listed)
    if found:
        yield "```sh\n" + "\n".join(found) + "\n```"


def _parameters(listed: ListedCommand) -> tuple[Sequence[Sequence[str]], Sequence[str]]:
    """Return the rows of a command's own parameters, and the names of its shared ones."""
    context = listed.command.make_context(listed.name, [], resilient_parsing=True)
    own, shared = [], []
    for one in listed.command.params:
        row = _parameter(one, context)
        if one.opts[0] in SHARED:
            shared.append(row[0])
        else:
            own.append(row)
    return own, shared


def _shared_rows(listed: Sequence[ListedCommand]) -> Sequence[Sequence[str]]:
    found: dict[str, Sequence[str]] = {}
    for command in listed:
        context = command.command.make_context(command.name, [], resilient_parsing=True)
        for one in command.command.params:
            if one.opts[0] in SHARED:
                found.setdefault(one.opts[0], _parameter(one, context))
    return [found[name] for name in SHARED if name in found]


def _parameter(one: Any, context: Any) -> Sequence[str]:  # noqa: ANN401 - typer's own
    kind = str(one.metavar or one.display_type(context)).strip("<>")
    kind = kind.removeprefix("list[").removesuffix("]")
    if one.param_type_name == "argument":
        name = f"`{one.metavar or one.name.upper()}`"
    else:
        value = "" if one.is_flag else f" {kind.partition(' range')[0]}"
        name = ", ".join(f"`{spelling}{value}`" for spelling in (*one.opts, *one.secondary_opts))
    notes = [_joined(one.help or "")]
    if one.required:
        notes.append("Required.")
    if one.default not in (None, False, True, ()) and getattr(one, "show_default", True):
        value = getattr(one.default, "value", one.default)
        notes.append(f"Default: `{value}`.")
    return name, " ".join(notes)


def _exit_codes() -> Iterator[Sequence[str]]:
    yield "0", "The command succeeded."
    kinds: Sequence[type[CommandError]] = (CommandError, *CommandError.__subclasses__())
    for kind in kinds:
        name = kind.__doc__ or ""
        yield str(kind.exit_code), f"`{kind.code}`: {_joined(name.partition('Args:')[0])}"
    yield "130", "Ctrl-C ended the command; this includes commands that run until Ctrl-C."
    yield "141", "The reader of its output closed the pipe."


def _first(text: str) -> str:
    return _joined(inspect.cleandoc(text).split("\n\n")[0])


def _joined(text: str) -> str:
    return " ".join(text.split())


def _table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    heading = "| " + " | ".join(head) + " |"
    return "\n".join((heading, f"|{'---|' * len(head)}", *lines)) if lines else ""


def main() -> int:
    """Write the page, or with `--check` compare it; return the exit code."""
    if sys.argv[1:] == ["--check"]:
        return 0 if is_current() else 1
    Path(PAGE).write_text(page())
    return 0


if __name__ == "__main__":
    source = str(HERE.root / "src")
    if source not in sys.path:
        sys.path.insert(0, source)
    sys.exit(main())
