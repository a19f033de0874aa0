"""Where a running dispatcher tells other commands about its economy: a file in its STATE."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from dev.economy.chain import CHAIN_ID
from dev.economy.rpc import ChainError, Rpc
from dev.errors import UsageError
from dev.setup.stamp import write_atomically

FILE_NAME = "economy.json"
ADVICE = "start one with `make dev PAYMENTS=1` in another terminal, with the same STATE=."


@dataclass(frozen=True, slots=True)
class Announcement:
    """A dispatcher that takes payment, and where its economy is.

    Args:
        dispatcher_url: Without a slash at the end.
        rpc_url: Where the chain's node listens.
    """

    dispatcher_url: str
    rpc_url: str


@contextmanager
def announced(state: Path, dispatcher_url: str, rpc_url: str) -> Iterator[None]:
    """Keep the file there for the time of a `with` block.

    Args:
        state: The dispatcher's STATE.
        dispatcher_url: Where it listens.
        rpc_url: Where the chain's node listens.
    """
    file = state / FILE_NAME
    announcement = Announcement(dispatcher_url, rpc_url)
    write_atomically(file, json.dumps(asdict(announcement)).encode())
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def find_announced(state: Path) -> Announcement:
    """Return the dispatcher that takes payment with this STATE.

    Args:
        state: The folder.

    Raises:
        UsageError: There is none, or it ended without saying so.
    """
    try:
        fields = json.loads((state / FILE_NAME).read_text(encoding="utf-8"))
        announcement = Announcement(**fields)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"No dispatcher takes payment with STATE={state}: {ADVICE}") from error
    if not _is_our_chain(announcement.rpc_url):
        raise UsageError(f"The dispatcher of STATE={state} has ended: {ADVICE}")
    return announcement


def _is_our_chain(url: str) -> bool:
    try:
        with Rpc(url) as rpc:
            return rpc.number("eth_chainId") == CHAIN_ID
    except (httpx.HTTPError, ChainError, ValueError, KeyError, TypeError):
        return False
