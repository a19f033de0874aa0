"""`python -m bench.report [--check]`: writes docs/performance.md and its charts, or checks them."""

import sys

from bench.report.page import is_current, write
from dev.errors import run_command_line
from dev.layout import HERE


def main() -> int:
    """Write the files; with `--check`, return 1 if one of them is not current."""
    if sys.argv[1:] == ["--check"]:
        return 0 if is_current(HERE.root) else 1
    for name in write(HERE.root):
        print(f"Written: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command_line(main))
