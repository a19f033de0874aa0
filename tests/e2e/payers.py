"""The official x402 clients that tests pay with."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dev.layout import HERE
from dev.setup.node import find_node

_PYTHON = Path(__file__).with_name("python_payer.py")

CLIENTS: Mapping[str, Sequence[str | Path]] = {
    "fetch": (find_node(HERE), HERE.economy / "payer.js"),
    "axios": (find_node(HERE), HERE.economy / "payer.js", "axios"),
    "httpx": (sys.executable, _PYTHON, "httpx"),
    "requests": (sys.executable, _PYTHON, "requests"),
}
"""The command line of each client."""
