"""Writes the command `clawr` into the virtual environment's `bin`."""

from dev.layout import Layout
from dev.setup.stamp import write_atomically

NAME = "clawr"

_PROGRAM = """\
#!{python}
import sys

sys.path[:0] = [{root!r}, {sources!r}]
sys.pycache_prefix = sys.pycache_prefix or {bytecode!r}

from cli.app import main

sys.exit(main())
"""


def ensure_command(layout: Layout) -> None:
    """Write the command, which runs the code in the clone, unless it is current.

    Args:
        layout: The clone.
    """
    program = _PROGRAM.format(
        python=layout.python,
        root=str(layout.root),
        sources=str(layout.root / "src"),
        bytecode=str(layout.bytecode),
    ).encode()
    file = layout.venv / "bin" / NAME
    if not file.exists() or file.read_bytes() != program:
        write_atomically(file, program, mode=0o755)
