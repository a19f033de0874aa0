"""All commands there are, with those in groups, for whoever looks at every one of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import typer.main

from cli.app import app


@dataclass(frozen=True, slots=True)
class Listed:
    """A command.

    Args:
        words: How it is typed behind `clawr`, such as `("kv", "list")`.
        panel: Where the help shows it, by itself or with its group.
        command: What typer made of it; its parameters are in `params`.
    """

    words: Sequence[str]
    panel: str
    command: Any  # typer gives its own classes of commands no public name

    @property
    def name(self) -> str:
        """Return how it is typed behind `clawr`, such as `kv list`."""
        return " ".join(self.words)


def commands() -> Sequence[Listed]:
    """Return all commands, in the order of the help."""
    return list(_below((), "", typer.main.get_command(app)))


def _below(words: tuple[str, ...], panel: str, command: Any) -> Iterator[Listed]:  # noqa: ANN401
    panel = str(getattr(command, "rich_help_panel", None) or panel)
    inner = getattr(command, "commands", None)
    if inner is None:
        yield Listed(words, panel, command)
        return
    for name, one in inner.items():
        if not one.hidden:
            yield from _below((*words, name), panel, one)
