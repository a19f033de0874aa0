"""A whole payment economy on this machine: chain, dollar token, facilitator, wallets.

Everything in it is real and unmodified (anvil, the official x402 facilitator) but for the
token's contract, which behaves like USDC where facilitators and clients look. It lives in
memory, on free ports of 127.0.0.1, and ends with the process that started it.

    from dev.economy import running_economy

    with running_economy() as economy:
        economy.balance(economy.buyer.address)
"""

from dev.economy.chain import Transaction, Transfer
from dev.economy.start import Economy, running_economy
from dev.economy.wallets import Wallet

__all__ = ["Economy", "Transaction", "Transfer", "Wallet", "running_economy"]
