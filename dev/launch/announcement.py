"""Where a running `make dev` tells other commands about itself: a file in its STATE."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from dev.setup.stamp import write_atomically

FILE_NAME = "running.json"
LOCAL_ACCOUNT = "0" * 31 + "1"
"""The id of the account that the local API answers for; real ones have 32 digits, too."""


class NotRunning(Exception):
    """No `make dev` runs with this STATE."""


@dataclass(frozen=True, slots=True)
class Running:
    """A dispatcher that runs on this machine.

    Args:
        process_id: Its launcher's.
        dispatcher_url: Where it listens, without a slash at the end.
        platform_token: Opens its platform API; may be empty.
        api_url: Where the local half of Cloudflare's API answers, without a slash at the end.
        api_token: The API token that it takes; of this run alone.
        account_id: The account that it answers for.
    """

    process_id: int
    dispatcher_url: str
    platform_token: str
    api_url: str
    api_token: str
    account_id: str = LOCAL_ACCOUNT


@contextmanager
def announced(state: Path, running: Running) -> Iterator[None]:
    """Keep the file there, readable by this user alone, for the time of a `with` block.

    Args:
        state: The dispatcher's STATE.
        running: What it says.
    """
    file = state / FILE_NAME
    write_atomically(file, json.dumps(asdict(running)).encode(), mode=0o600)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def find_running(state: Path) -> Running:
    """Return the `make dev` that runs with this STATE.

    Args:
        state: The folder.

    Raises:
        NotRunning: There is none, or it ended without saying so.
    """
    try:
        running = Running(**json.loads((state / FILE_NAME).read_bytes()))
        os.kill(running.process_id, 0)
    except (OSError, ValueError, TypeError) as error:
        raise NotRunning(f"No `make dev` is running with STATE={state}.") from error
    return running
