"""The file in STATE that tells other commands about the economy of a running dispatcher."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from dev.economy.chain import CHAIN_ID
from dev.economy.rpc import ChainError, Rpc
from dev.errors import UsageError
from dev.setup.stamp import temporary_file

FILE_NAME = "economy.json"
ADVICE = "start one with `make dev PAYMENTS=1` in another terminal, with the same STATE=."


@dataclass(frozen=True, slots=True)
class Announcement:
    """The addresses of a dispatcher and its chains.

    Args:
        dispatcher_url: The dispatcher's address, without a trailing slash.
        rpc_url: The address of the EVM chain's node.
        solana_rpc_url: The address of the Solana chain's node.
    """

    dispatcher_url: str
    rpc_url: str
    solana_rpc_url: str


@contextmanager
def announced(
    state: Path, dispatcher_url: str, rpc_url: str, solana_rpc_url: str
) -> Iterator[None]:
    """Write the file, and remove it after the `with` block.

    Args:
        state: The dispatcher's STATE folder.
        dispatcher_url: The dispatcher's address.
        rpc_url: The address of the EVM chain's node.
        solana_rpc_url: The address of the Solana chain's node.
    """
    content = json.dumps(asdict(Announcement(dispatcher_url, rpc_url, solana_rpc_url))).encode()
    with temporary_file(state / FILE_NAME, content):
        yield


def find_announced(state: Path) -> Announcement:
    """Return the announcement of the dispatcher that runs with payments and this STATE.

    Args:
        state: The folder.

    Raises:
        UsageError: None is running.
    """
    try:
        fields = json.loads((state / FILE_NAME).read_text(encoding="utf-8"))
        announcement = Announcement(**fields)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"No dispatcher runs with payments and STATE={state}: {ADVICE}") from error
    if not _is_our_chain(announcement.rpc_url):
        raise UsageError(f"The dispatcher of STATE={state} has stopped: {ADVICE}")
    return announcement


def _is_our_chain(url: str) -> bool:
    try:
        with Rpc(url) as rpc:
            return rpc.number("eth_chainId") == CHAIN_ID
    except (httpx.HTTPError, ChainError, ValueError, KeyError, TypeError):
        return False
