"""Every command line of README and docs is valid."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli.app import app
from dev.layout import HERE
from dev.setup.node import find_node

PAGES = [HERE.root / "README.md", *sorted((HERE.root / "docs").rglob("*.md"))]
DEPLOY = HERE.root / "docs" / "deploy.md"
WRANGLER = HERE.node_modules / "wrangler" / "bin" / "wrangler.js"


def lines_of(page: Path) -> list[str]:
    """Return the command lines of a page."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


LINES = sorted({line for page in PAGES for line in lines_of(page) if line.startswith("clawr ")})
WRANGLER_LINES = [line for line in lines_of(DEPLOY) if line.startswith("npx wrangler ")]


ROOT = typer.main.get_command(app)


def test_command_lines_are_found() -> None:
    assert len(LINES) > 5
    assert {line.split()[0] for line in lines_of(DEPLOY)} == {"clawr", "npx", "git", "umask"}


@pytest.mark.parametrize("line", LINES)
def test_a_documented_command_line_is_valid(line: str) -> None:
    _, *words = shlex.split(line, comments=True)
    command: Any = ROOT
    context = command.make_context("clawr", words)
    while below := getattr(command, "commands", None):
        name, *words = words
        command = below[name]
        context = command.make_context(name, words, parent=context)
    assert command.callback is not None


@pytest.mark.parametrize("line", WRANGLER_LINES)
def test_a_documented_wrangler_line_is_valid(line: str) -> None:
    words = shlex.split(line)[2:]
    options = [word for word in words if word.startswith("--")]
    names = [word for word in words[: words.index(options[0])] if word.islower()]
    shown = subprocess.run(
        [find_node(HERE), WRANGLER, *names, "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert shown.startswith(f"wrangler {' '.join(names)}")
    assert all(option in shown for option in options)
