"""How `--help` shows options: the words of people for the types, and none for flags."""

from typing import Any, Final

import typer.core

WORDS: Final = {"str": "text", "int": "number", "float": "number"}
"""What people call the types of options."""


class Command(typer.core.TyperCommand):
    """A command whose help needs no knowledge of Python."""

    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401 - typer's own
        """Return the command's parameters, and `--help`, with named values."""
        return [_with_named_value(one, ctx) for one in super().get_params(ctx)]


class Group(typer.core.TyperGroup):
    """The same for a group of commands."""

    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401 - typer's own
        """Return the group's parameters, and `--help`, with named values."""
        return [_with_named_value(one, ctx) for one in super().get_params(ctx)]


def _with_named_value(parameter: Any, context: Any) -> Any:  # noqa: ANN401 - typer's own
    """Give a parameter's value a name, unless it has one: none for a flag."""
    if parameter.metavar is None:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
        elif parameter.param_type_name == "argument":
            parameter.metavar = parameter.name.upper()
            parameter.display_type_rich = _no_type
        else:
            shown = parameter.display_type(context).strip("<>")
            shown = shown.removeprefix("list[").removesuffix("]").partition(" range")[0]
            parameter.metavar = shown if "|" in shown else WORDS.get(shown, shown).upper()
    return parameter


def _no_type(**_: Any) -> None:  # noqa: ANN401 - typer's own
    """Show no type beside an argument's name."""
