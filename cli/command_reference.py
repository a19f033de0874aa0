"""`python -m cli.command_reference [--check]`: writes `docs/command.md` from the commands.

`--check` writes nothing, and fails when the page is out of date. A command that is added to
`cli.app` is on the page when this is run again.
"""

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from cli.catalogue import Listed, commands
from cli.errors import CommandError
from dev.layout import HERE

PAGE: Final = HERE.root / "docs" / "command.md"

SHARED: Final = ("--execute", "--json", "--local", "--state", "--env", "--url")
"""The first spelling of options that are described once (cli.options)."""

_HEADING = ("argument or option", "what it is")

_HEAD = """\
# The command `clawr`

<!-- Written by `python -m cli.command_reference` from the commands themselves. -->

`make clawr` sets it up; it is `.venv/bin/clawr`, or `clawr` after `. .venv/bin/activate`.
`clawr --install-completion` has bash, zsh and fish complete commands, options, windows and APIs."""

_BODY = """\
## What holds for all of them

**Target.** `--local` works on the `make dev` that runs on this machine, `--remote` on the
Cloudflare account of `CLOUDFLARE_ACCOUNT_ID` and `CLOUDFLARE_API_TOKEN`, and the dispatcher at
`CLAWR_URL` (or `--url`) with `PLATFORM_ANALYTICS_TOKEN`. Without either it is the account if one
is configured, else `make dev`. `--env FILE` reads settings from a file of `KEY=VALUE` lines; what
the environment has already wins.

**Output.** The result goes to standard output, everything else to standard error. `--json` prints
exactly one JSON document, also when the command fails: `ok` is false then, with `error` (a code),
`message`, `advice` and `findings`. Commands that go on until Ctrl-C print one document a line.
Colours and progress are for terminals; `NO_COLOR=1` takes colours away.

**Safety.** What changes something shows what it would do, and does it with `--execute`. Tokens are
never printed, also where a server sends them back, and go to the address that they are for alone:
redirects are not followed. What can be asked again without harm is, when a server fails or a
connection breaks.

**Failures** are a sentence with what to do about it. `DEBUG=1` adds the traceback."""


def page() -> str:
    """Write the page."""
    return "\n\n".join(part.strip() for part in _parts() if part.strip()) + "\n"


def is_current() -> bool:
    """Tell whether the page is what would be written now; print what to do if not."""
    if PAGE.exists() and PAGE.read_text() == page():
        return True
    name = PAGE.relative_to(HERE.root)
    print(f"{name} is out of date: run python -m cli.command_reference.")
    return False


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
    yield _table(("command", "what it does"), rows)
    yield _BODY
    yield "## Options of most commands"
    yield _table(_HEADING, _shared_rows(listed))
    yield "## Exit codes"
    yield _table(("code", "when"), _exit_codes())
    for panel in panels:
        yield f"## {panel}"
        for one in listed:
            if str(one.panel) == panel:
                yield from _command(one)


def _command(listed: Listed) -> Iterator[str]:
    yield f"### `clawr {listed.name}`"
    for paragraph in inspect.cleandoc(listed.command.help).split("\n\n"):
        yield _joined(paragraph)
    own, shared = _parameters(listed)
    yield _table(_HEADING, own)
    if shared:
        yield "And, [as most commands](#options-of-most-commands): " + ", ".join(shared) + "."
    found = examples(listed)
    if found:
        yield "```sh\n" + "\n".join(found) + "\n```"


def _parameters(listed: Listed) -> tuple[Sequence[Sequence[str]], Sequence[str]]:
    """Return the rows of a command's own parameters, and the names of those that many have."""
    context = listed.command.make_context(listed.name, [], resilient_parsing=True)
    own, shared = [], []
    for one in listed.command.params:
        row = _parameter(one, context)
        if one.opts[0] in SHARED:
            shared.append(row[0])
        else:
            own.append(row)
    return own, shared


def _shared_rows(listed: Sequence[Listed]) -> Sequence[Sequence[str]]:
    found: dict[str, Sequence[str]] = {}
    for command in listed:
        context = command.command.make_context(command.name, [], resilient_parsing=True)
        for one in command.command.params:
            if one.opts[0] in SHARED:
                found.setdefault(one.opts[0], _parameter(one, context))
    return [found[name] for name in SHARED if name in found]


def examples(listed: Listed) -> Sequence[str]:
    """Return the command lines at the end of a command's help."""
    text = (listed.command.epilog or "").removeprefix("Examples:")
    lines = (line.strip().strip("`") for line in re.split(r"\n|  ·  ", text))
    return [line for line in lines if line]


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
        notes.append("Needed.")
    if one.default not in (None, False, True, ()) and getattr(one, "show_default", True):
        value = getattr(one.default, "value", one.default)
        notes.append(f"`{value}` when left out.")
    return name, " ".join(notes)


def _exit_codes() -> Iterator[Sequence[str]]:
    yield "0", "It worked."
    kinds: Sequence[type[CommandError]] = (CommandError, *CommandError.__subclasses__())
    for kind in kinds:
        name = kind.__doc__ or ""
        yield str(kind.exit_code), f"`{kind.code}`: {_joined(name.partition('Args:')[0])}"
    yield "130", "Ctrl-C, also where a command goes on until then."
    yield "141", "Who reads its output went away."


def _first(text: str) -> str:
    return _joined(inspect.cleandoc(text).split("\n\n")[0])


def _joined(text: str) -> str:
    return " ".join(text.split())


def _table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    heading = "| " + " | ".join(head) + " |"
    return "\n".join((heading, f"|{'---|' * len(head)}", *lines)) if lines else ""


def main() -> int:
    """Write the page, or look whether it is as it would be written."""
    if sys.argv[1:] == ["--check"]:
        return 0 if is_current() else 1
    Path(PAGE).write_text(page())
    return 0


if __name__ == "__main__":
    source = str(HERE.root / "src")
    if source not in sys.path:
        sys.path.insert(0, source)
    sys.exit(main())
