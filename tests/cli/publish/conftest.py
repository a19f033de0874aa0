"""Fixtures for tests of publishing: commands on the market, and a running `unpublish`."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.cli.command import CLAWR
from tests.cli.market import LocalMarket

from .local import Local


@pytest.fixture(scope="session")
def local(local_market: LocalMarket) -> Local:
    """Commands on the market."""
    return Local(local_market.state, local_market.url)


@pytest.fixture(scope="session")
def unpublishing(
    local: Local, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[subprocess.Popen[str]]:
    """A running `clawr unpublish`, which waits while other tests run."""
    file = tmp_path_factory.mktemp("gone") / "gone.js"
    file.write_text("export default { fetch: () => new Response('hello') };\n")
    local.done("publish", file, "--slug", "gone", "--host", "gone.example", "--execute")
    assert local.get("gone").text == "hello"
    assert (local.state / "uploads" / "gone").is_dir()
    arguments = ("unpublish", "gone", "--delete-script", "--execute", "--json")
    command = [str(CLAWR), *arguments, *local.where]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()
