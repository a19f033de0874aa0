"""Runs the installed command.

Its modules have the names that they have in the clone, such as `core`. They are in this package, so
that they do not meet modules of others, and are found here only by this program.
"""

import sys
from pathlib import Path


def main() -> int:
    """Run the command; return its exit code."""
    folder = Path(__file__).parent
    sys.path[:0] = [str(folder), str(folder / "src")]
    from cli.app import main as run  # noqa: PLC0415 - found in the path above

    return run()


if __name__ == "__main__":
    sys.exit(main())
