"""`python -m dev.test [PYTEST ARGUMENTS]`: runs the test suite, or what the arguments select."""

import os
import subprocess
import sys

from dev.errors import run_command_line
from dev.layout import HERE
from dev.newest import run_on_newest

PROCESSES = "--numprocesses=3"
"""One more than the smallest supported machine has cores: many tests wait for other processes."""

BYTECODE = "PYTHONPYCACHEPREFIX"
"""The environment variable with the folder of Python's bytecode.

A run writes it even if the environment forbids it, because each of its many processes would
compile the same modules.
"""

NEWEST = "newest"
"""`RUNTIME` for npm's newest wrangler, workerd and Pyodide instead of the pinned ones."""


def main() -> int:
    """Run pytest in parallel and return its exit code."""
    selected = sys.argv[1:]
    if os.environ.get("RUNTIME") == NEWEST:
        return run_on_newest([PROCESSES], selected)
    command = [str(HERE.python), "-m", "pytest", PROCESSES, *selected]
    environment = {**os.environ, BYTECODE: str(HERE.bytecode)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.run(command, cwd=HERE.root, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(run_command_line(main))
