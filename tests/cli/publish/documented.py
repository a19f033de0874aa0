"""Extracts the commands and files of a documentation page."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

_FILE = re.compile(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMANDS = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Shown:
    """A command of a page.

    Args:
        program: The program.
        arguments: The arguments.
        settings: The variables set before it.
    """

    program: str
    arguments: list[str]
    settings: dict[str, str]


def write_files(page: Path, folder: Path) -> None:
    """Write the files of a page."""
    for name, content in _FILE.findall(page.read_text(encoding="utf-8")):
        (folder / name).write_text(content, encoding="utf-8")


def commands(page: Path) -> list[Shown]:
    """Return the commands of a page, in order."""
    shown = []
    for block in _COMMANDS.findall(page.read_text(encoding="utf-8")):
        for line in block.splitlines():
            words = shlex.split(line)
            settings = {}
            while re.fullmatch(r"[A-Z_]+=.*", words[0]):
                name, _, value = words.pop(0).partition("=")
                settings[name] = "a-value" if value == "…" else value
            shown.append(Shown(words[0], words[1:], settings))
    return shown
