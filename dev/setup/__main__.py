"""`python -m dev.setup PURPOSE`: run by every target of the Makefile first."""

import argparse
import sys

from dev.errors import run_command_line
from dev.layout import HERE
from dev.setup.plan import PURPOSES, set_up


def main() -> int:
    """Run the set-up for the purpose on the command line."""
    parser = argparse.ArgumentParser(prog="python -m dev.setup", description=__doc__)
    parser.add_argument("purpose", choices=PURPOSES, help="what the clone will be used for")
    set_up(HERE, parser.parse_args().purpose)
    return 0


if __name__ == "__main__":
    sys.exit(run_command_line(main))
