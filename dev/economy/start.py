"""Starts and stops the economy."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.economy.chain import (
    CHAIN_ID,
    FACTORY,
    IDLE_BLOCK_SECONDS,
    NETWORK,
    TOKEN,
    TOKEN_NAME,
    TOKEN_VERSION,
    Chain,
)
from dev.economy.process import GuardedServer
from dev.economy.rpc import Rpc
from dev.economy.wallets import (
    ACCOUNTS,
    BUYER,
    FACILITATOR,
    PAUPER,
    PAYEE,
    SECOND_BUYER,
    Wallet,
)
from dev.layout import HERE, Layout
from dev.setup.economy import find_anvil
from dev.setup.node import find_node

STARTING_BALANCE = 1_000_000_000
"""1,000 dollars for each buyer."""

CONFIRMATION_SECONDS = 30.0
"""How long a settlement waits for its block before the facilitator reports it as pending."""

KEPT_LOGS = 10


@dataclass(frozen=True, slots=True)
class Economy:
    """A running economy.

    Args:
        chain: The chain and its token.
        rpc_url: The address of the chain's node.
        facilitator_url: The facilitator's address, without a trailing slash.
        logs: The folder with `chain.log` and `facilitator.log`; it is kept.
    """

    chain: Chain
    rpc_url: str
    facilitator_url: str
    logs: Path
    network: str = NETWORK
    asset: str = TOKEN
    buyer: Wallet = BUYER
    second_buyer: Wallet = SECOND_BUYER
    pauper: Wallet = PAUPER
    payee: str = PAYEE

    def settings(self) -> dict[str, str]:
        """Return the dispatcher's settings for payments in this economy."""
        return {
            "FACILITATOR_URL": self.facilitator_url,
            "X402_NETWORK": self.network,
            "X402_ASSET": self.asset,
            "X402_ASSET_NAME": TOKEN_NAME,
            "X402_ASSET_VERSION": TOKEN_VERSION,
            "X402_RPC_URL": self.rpc_url,
            "PAY_TO_ADDRESS": self.payee,
        }


@contextmanager
def running_economy(
    *, confirmation_seconds: float = CONFIRMATION_SECONDS, layout: Layout = HERE
) -> Iterator[Economy]:
    """Run an economy during a `with` block.

    Args:
        confirmation_seconds: How long a settlement waits for its block before the
            facilitator reports it as pending.
        layout: The clone; set-up for payments must have run.

    Yields:
        The running economy, with funded buyers.

    Raises:
        SetupError: Set-up has not run.
        ServerError: The chain or the facilitator did not start.
    """
    logs = _new_logs(layout)
    with ExitStack() as parts:
        rpc_url = parts.enter_context(_running_chain(layout, logs))
        chain = Chain(parts.enter_context(Rpc(rpc_url)))
        chain.deploy_contracts()
        for buyer in (BUYER, SECOND_BUYER):
            chain.fund(buyer.address, STARTING_BALANCE)
        settings = {
            "RPC_URL": rpc_url,
            "PRIVATE_KEY": FACILITATOR.private_key,
            "WALLET_FACTORY": FACTORY,
            "CONFIRMATION_MS": str(round(1000 * confirmation_seconds)),
        }
        facilitator_url = parts.enter_context(_running_facilitator(layout, logs, settings))
        yield Economy(chain, rpc_url, facilitator_url, logs)


@contextmanager
def _running_chain(layout: Layout, logs: Path) -> Iterator[str]:
    command = (
        find_anvil(layout),
        *("--host", "127.0.0.1", "--port", "0"),
        *("--chain-id", str(CHAIN_ID), "--accounts", str(ACCOUNTS)),
        # A block for each transaction at once, and one every few seconds without any.
        *("--mixed-mining", "--block-time", str(IDLE_BLOCK_SECONDS)),
    )
    server = GuardedServer("The local chain", command, os.environ, logs / "chain.log")
    try:
        yield server.wait_until_ready()
    finally:
        server.stop()


@contextmanager
def _running_facilitator(layout: Layout, logs: Path, settings: Mapping[str, str]) -> Iterator[str]:
    command = (find_node(layout), layout.economy / "facilitator.js")
    server = GuardedServer(
        "The facilitator", command, {**os.environ, **settings}, logs / "facilitator.log"
    )
    try:
        yield server.wait_until_ready()
    finally:
        server.stop()


def _new_logs(layout: Layout) -> Path:
    layout.logs.mkdir(parents=True, exist_ok=True)
    folders = sorted(layout.logs.glob("economy-*"), key=lambda path: path.stat().st_mtime)
    for old in folders[:-KEPT_LOGS]:
        shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(dir=layout.logs, prefix="economy-"))
