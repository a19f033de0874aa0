"""`python -m dev.economy`: what `make pay` runs once set-up is done.

Options come from the environment, as make passes them.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from dev.economy.pay import Order, pay
from dev.errors import UsageError, run_command_line
from dev.layout import HERE

DEFAULT_API = "rates/convert?from=EUR&to=JPY&amount=2"
TIMES_MAX = 1_000


def main() -> int:
    """Pay as often as the environment says."""
    state = Path(os.environ.get("STATE") or HERE.cache / "state")
    pay(HERE, state, read_order(os.environ), Console())
    return 0


def read_order(environment: Mapping[str, str]) -> Order:
    """Return what is to be bought, from `API`, `METHOD`, `BODY` and `COUNT`.

    Raises:
        UsageError: One of them cannot be used.
    """
    times = environment.get("COUNT") or "1"
    if not times.isdecimal() or not 1 <= int(times) <= TIMES_MAX:
        raise UsageError(f"COUNT={times} is no whole number from 1 to {TIMES_MAX}.")
    body = environment.get("BODY") or ""
    return Order(
        api=(environment.get("API") or DEFAULT_API).lstrip("/"),
        method=(environment.get("METHOD") or ("POST" if body else "GET")).upper(),
        body=body,
        times=int(times),
    )


if __name__ == "__main__":
    sys.exit(run_command_line(main))
