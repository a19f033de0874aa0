"""Every command of the README works as it is written there."""

import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest

from dev.launch import Server, running_dispatcher
from dev.launch.config import DEVELOPMENT_TOKEN
from dev.layout import HERE
from tests.cli.command import clawr

from .caller import Caller
from .marketplace import DEMO_TENANTS

README = (HERE.root / "README.md").read_text(encoding="utf-8")
MAKEFILE = (HERE.root / "Makefile").read_text(encoding="utf-8")
COMMANDS = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]
PORT = "8787"


@pytest.fixture(scope="module")
def marketplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What `make dev` starts, at another port."""
    with running_dispatcher(
        state=tmp_path_factory.mktemp("state"),
        tenants=DEMO_TENANTS.read_text(encoding="utf-8"),
        namespace=DEMO_TENANTS.parent / "namespace",
    ) as server:
        yield server


def test_there_are_commands() -> None:
    assert {command.split()[0] for command in COMMANDS} == {"make", "curl", "clawr"}


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("curl")])
def test_a_curl_line_is_answered_with_200(marketplace: Server, command: str) -> None:
    assert PORT in command
    here = shlex.split(command.replace(PORT, str(marketplace.port)))
    shown = subprocess.run(
        [*here, "--silent", "--include", "--max-time", "30"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.startswith("HTTP/1.1 200 OK")


# Those with a file of secrets are for an account; tests/cli/test_deploy.py has one.
OF_DISPATCHER = [line for line in COMMANDS if line.startswith("clawr") and "--env" not in line]


@pytest.mark.parametrize("command", OF_DISPATCHER)
def test_a_clawr_line_works(marketplace: Server, command: str) -> None:
    settings = {"CLAWR_URL": marketplace.url, "PLATFORM_ANALYTICS_TOKEN": DEVELOPMENT_TOKEN}
    ran = clawr(*shlex.split(command)[1:], settings=settings)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("make")])
def test_a_make_line_names_a_target_that_explains_itself(command: str) -> None:
    target, *settings = shlex.split(command)[1:]
    assert all(re.fullmatch(r"[A-Z]+=.*", setting) for setting in settings)
    assert re.search(rf"^{target}: ## \S", MAKEFILE, re.MULTILINE)


def test_the_examples_output_is_what_the_api_answers(marketplace: Server) -> None:
    shown = re.search(r"^\{.*\}$", README, re.MULTILINE)
    assert shown is not None
    with Caller(marketplace.url, DEVELOPMENT_TOKEN) as caller:
        assert caller.ask("/t/feasts/easter?year=2026").text.strip() == shown[0]


def test_every_file_that_is_named_exists() -> None:
    named = set(re.findall(r"`((?:src|dev|tests|docs)/[\w./-]*)`", README))
    named |= set(re.findall(r"\]\(((?:dev|docs)/[\w./-]*)\)", README))
    assert len(named) > 10
    assert [name for name in sorted(named) if not (HERE.root / name).exists()] == []


def test_it_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) <= 200
