"""Serves the demo scripts for the tests in this folder, with one workerd."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dev.layout import HERE
from dev.setup.node import find_node

REPOSITORY = HERE.root
NAMESPACE = REPOSITORY / "dev" / "demo" / "namespace"


@pytest.fixture(scope="session")
def demo_url() -> Iterator[str]:
    """The base URL of the scripts: `URL/NAME/path` is `path` of the script NAME."""
    command = [str(find_node(HERE)), str(Path(__file__).with_name("host.mjs")), str(NAMESPACE)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as host:
        assert host.stdin is not None
        assert host.stdout is not None
        try:
            url = host.stdout.readline().strip().rstrip("/")
            assert url.startswith("http://"), (
                f"the demo scripts did not start: exit code {host.wait()}"
            )
            yield url
        finally:
            host.stdin.close()
            host.wait(timeout=20)


@pytest.fixture
def api(demo_url: str) -> Iterator[httpx.Client]:
    """A client whose paths start with the name of a script."""
    with httpx.Client(base_url=demo_url, timeout=30) as client:
        yield client
