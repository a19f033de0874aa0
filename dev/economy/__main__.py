"""`python -m dev.economy`: pays a priced API; `make pay` calls it after set-up.

Options come from the environment.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from dev.economy.pay import PaidRequest, pay
from dev.errors import UsageError, run_command_line
from dev.layout import HERE

DEFAULT_API = "rates/convert?from=EUR&to=JPY&amount=2"
TIMES_MAX = 1_000


def main() -> int:
    """Pay as many times as the environment says."""
    state = Path(os.environ.get("STATE") or HERE.cache / "state")
    pay(HERE, state, read_request(os.environ), Console())
    return 0


def read_request(environment: Mapping[str, str]) -> PaidRequest:
    """Return the request of `API`, `METHOD`, `BODY`, `COUNT` and `NETWORK`.

    Raises:
        UsageError: `COUNT` is invalid.
    """
    times = environment.get("COUNT") or "1"
    if not times.isdecimal() or not 1 <= int(times) <= TIMES_MAX:
        raise UsageError(f"COUNT={times} is not a whole number from 1 to {TIMES_MAX}.")
    body = environment.get("BODY") or ""
    return PaidRequest(
        api=(environment.get("API") or DEFAULT_API).lstrip("/"),
        method=(environment.get("METHOD") or ("POST" if body else "GET")).upper(),
        body=body,
        times=int(times),
        network=environment.get("NETWORK") or "",
    )


if __name__ == "__main__":
    sys.exit(run_command_line(main))
