"""The command without a subcommand, and unknown commands."""

import pytest

from cli.secret import Secret

from .command import clawr


def test_it_prints_its_version() -> None:
    assert clawr("--version").out.startswith("clawr ")


def test_without_arguments_it_prints_help() -> None:
    assert "Publish paid APIs" in clawr().out


def test_an_unknown_command_is_a_usage_error() -> None:
    ran = clawr("publsh")
    assert ran.code == 2
    assert "publsh" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("show", [str, repr, "{}".format])
def test_a_secret_is_not_shown(show: object) -> None:
    assert callable(show)
    assert "swordfish" not in show(Secret("swordfish"))
