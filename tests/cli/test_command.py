"""What holds for the command as a whole."""

import pytest

from cli.secret import Secret

from .command import clawr


def test_it_says_its_version() -> None:
    assert clawr("--version").out.startswith("clawr ")


def test_without_arguments_it_explains_itself() -> None:
    assert "Publish paid APIs" in clawr().out


def test_a_command_that_does_not_exist_is_a_mistake_of_use() -> None:
    ran = clawr("publsh")
    assert ran.code == 2
    assert "publsh" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("show", [str, repr, "{}".format])
def test_a_secret_is_not_shown(show: object) -> None:
    assert callable(show)
    assert "swordfish" not in show(Secret("swordfish"))
