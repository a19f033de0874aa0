"""A local payment economy: two chains with a dollar token each, a facilitator and wallets.

The EVM chain (anvil) and the x402 facilitator are the official, unmodified programs. The token's
contract is our own and behaves like USDC for facilitators and clients. On Solana, the official
token program runs in LiteSVM, behind the RPC methods of a node. Everything runs in memory, on free
ports of 127.0.0.1, and ends with the process that started it.

    from dev.economy import running_economy

    with running_economy() as economy:
        economy.balance(economy.buyer.address)
"""

from dev.economy.chain import Transaction, Transfer
from dev.economy.start import Economy, running_economy
from dev.economy.wallets import Wallet

__all__ = ["Economy", "Transaction", "Transfer", "Wallet", "running_economy"]
