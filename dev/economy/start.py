"""Starts and stops the economy."""

import json
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
from dev.economy.solana import SOLANA_NETWORK, SolanaChain
from dev.economy.wallets import (
    ACCOUNTS,
    BUYER,
    FACILITATOR,
    PAUPER,
    PAYEE,
    SECOND_BUYER,
    SOLANA_BUYER,
    SOLANA_FACILITATOR,
    SOLANA_PAUPER,
    SOLANA_PAYEE,
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
        chain: The EVM chain and its token.
        rpc_url: The address of its node.
        solana: The Solana chain and its token.
        solana_rpc_url: The address of its node.
        facilitator_url: The facilitator's address, without a trailing slash.
        logs: The folder with the log of each of them; it is kept.
    """

    chain: Chain
    rpc_url: str
    solana: SolanaChain
    solana_rpc_url: str
    facilitator_url: str
    logs: Path
    network: str = NETWORK
    asset: str = TOKEN
    buyer: Wallet = BUYER
    second_buyer: Wallet = SECOND_BUYER
    pauper: Wallet = PAUPER
    solana_buyer: Wallet = SOLANA_BUYER
    solana_pauper: Wallet = SOLANA_PAUPER
    payee: str = PAYEE

    def settings(self) -> dict[str, str]:
        """Return the dispatcher's settings for payments in this economy."""
        return {
            "FACILITATOR_URL": self.facilitator_url,
            "X402_NETWORK": self.network,
            "X402_ASSET": self.asset,
            "X402_ASSET_NAME": TOKEN_NAME,
            "X402_ASSET_VERSION": TOKEN_VERSION,
            "X402_RPC_URL": json.dumps(
                {self.network: self.rpc_url, SOLANA_NETWORK: self.solana_rpc_url},
                separators=(",", ":"),
            ),
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
        # Both start at the same time.
        servers = [parts.enter_context(_started(each)) for each in _chains(layout, logs)]
        rpc_url, solana_rpc_url = (server.wait_until_ready() for server in servers)
        chain = Chain(parts.enter_context(Rpc(rpc_url)))
        chain.deploy_contracts()
        for buyer in (BUYER, SECOND_BUYER):
            chain.fund(buyer.address, STARTING_BALANCE)
        solana = SolanaChain(parts.enter_context(Rpc(solana_rpc_url)))
        for owner, amount in ((SOLANA_BUYER.address, STARTING_BALANCE), (SOLANA_PAYEE, 0)):
            solana.fund(owner, amount)
        settings = {
            "RPC_URL": rpc_url,
            "PRIVATE_KEY": FACILITATOR.private_key,
            "WALLET_FACTORY": FACTORY,
            "CONFIRMATION_MS": str(round(1000 * confirmation_seconds)),
            "SOLANA_RPC_URL": solana_rpc_url,
            "SOLANA_PRIVATE_KEY": SOLANA_FACILITATOR.private_key,
        }
        facilitator = parts.enter_context(_started(_facilitator(layout, logs, settings)))
        facilitator_url = facilitator.wait_until_ready()
        yield Economy(chain, rpc_url, solana, solana_rpc_url, facilitator_url, logs)


@contextmanager
def _started(server: GuardedServer) -> Iterator[GuardedServer]:
    try:
        yield server
    finally:
        server.stop()


def _chains(layout: Layout, logs: Path) -> Iterator[GuardedServer]:
    """Start the EVM chain and the Solana chain."""
    command = (
        find_anvil(layout),
        *("--host", "127.0.0.1", "--port", "0"),
        *("--chain-id", str(CHAIN_ID), "--accounts", str(ACCOUNTS)),
        # A block for each transaction at once, and one every few seconds without any.
        *("--mixed-mining", "--block-time", str(IDLE_BLOCK_SECONDS)),
    )
    yield GuardedServer("The local chain", command, os.environ, logs / "chain.log")
    settings = {**os.environ, "FEE_PAYER": SOLANA_FACILITATOR.address}
    solana = (find_node(layout), layout.economy / "solana.js")
    yield GuardedServer("The local Solana chain", solana, settings, logs / "solana.log")


def _facilitator(layout: Layout, logs: Path, settings: Mapping[str, str]) -> GuardedServer:
    command = (find_node(layout), layout.economy / "facilitator.js")
    environment = {**os.environ, **settings}
    return GuardedServer("The facilitator", command, environment, logs / "facilitator.log")


def _new_logs(layout: Layout) -> Path:
    layout.logs.mkdir(parents=True, exist_ok=True)
    folders = sorted(layout.logs.glob("economy-*"), key=lambda path: path.stat().st_mtime)
    for old in folders[:-KEPT_LOGS]:
        shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(dir=layout.logs, prefix="economy-"))
