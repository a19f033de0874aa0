"""Runs commands on a running `make dev`, and calls its APIs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from dev.layout import HERE
from tests.cli.command import Ran, clawr_inside


@dataclass(frozen=True, slots=True)
class Local:
    """A running `make dev`.

    Args:
        state: The STATE folder.
        url: The dispatcher's URL.
        folder: The working directory of commands.
    """

    state: Path
    url: str
    folder: Path = HERE.root

    @property
    def where(self) -> tuple[str, ...]:
        """The options that select it."""
        return ("--local", "--state", str(self.state))

    def __call__(self, *arguments: str | Path, **settings: str) -> Ran:
        """Run a command with these environment variables."""
        return clawr_inside(*arguments, *self.where, settings=settings, folder=self.folder)

    def done(self, *arguments: str | Path, **settings: str) -> dict[str, Any]:
        """Return the result of a command that must succeed."""
        ran = self(*arguments, "--json", **settings)
        assert ran.code == 0, ran.out + ran.err
        return ran.document

    def get(self, path: str, **more: Any) -> httpx.Response:
        """Call an API."""
        return httpx.get(f"{self.url}/t/{path}", timeout=30, **more)

    def client(self, slug: str) -> httpx.Client:
        """Return a client with an API's base URL."""
        return httpx.Client(base_url=f"{self.url}/t/{slug}", timeout=30)
