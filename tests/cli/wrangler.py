"""Runs the real wrangler against an API that a test provides."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dev.layout import HERE
from dev.setup.node import find_node

PROGRAM = HERE.node_modules / "wrangler" / "bin" / "wrangler.js"
SECONDS_MAX = 120


def wrangler(
    settings: Mapping[str, str], *arguments: str, folder: Path = HERE.root, code: int = 0
) -> str:
    """Run wrangler and return its output.

    Args:
        settings: The environment variables that select the API.
        arguments: Its arguments.
        folder: The working directory.
        code: The expected exit code.
    """
    completed = subprocess.run(
        [find_node(HERE), PROGRAM, *arguments],
        cwd=folder,
        env={**os.environ, **settings, "WRANGLER_SEND_METRICS": "false", "CI": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert completed.returncode == code, completed.stdout
    return completed.stdout
