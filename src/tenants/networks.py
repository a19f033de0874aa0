"""Networks and tokens that are known by name, so that a record or a setting need not describe them.

Networks are in CAIP-2 form: `eip155:` and the chain's id, or `solana:` and the first 32 letters of
the genesis hash. Networks with the same namespace are a family. Sources: the tables of the npm
packages @x402/core, @x402/evm and @x402/svm 2.27.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tenants.addresses import decode_base58, is_address, is_solana_address

NETWORKS_V1 = {
    "base": "eip155:8453",
    "base-sepolia": "eip155:84532",
    "ethereum": "eip155:1",
    "sepolia": "eip155:11155111",
    "polygon": "eip155:137",
    "polygon-amoy": "eip155:80002",
    "avalanche": "eip155:43114",
    "avalanche-fuji": "eip155:43113",
    "abstract": "eip155:2741",
    "abstract-testnet": "eip155:11124",
    "iotex": "eip155:4689",
    "sei": "eip155:1329",
    "sei-testnet": "eip155:1328",
    "peaq": "eip155:3338",
    "story": "eip155:1514",
    "educhain": "eip155:41923",
    "skale-base-sepolia": "eip155:324705682",
    "megaeth": "eip155:4326",
    "monad": "eip155:143",
    "stable": "eip155:988",
    "stable-testnet": "eip155:2201",
    "celo": "eip155:42220",
    "flare": "eip155:14",
    "solana": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
    "solana-devnet": "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1",
    "solana-testnet": "solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z",
}
"""Networks that have a name in x402 version 1, with their CAIP-2 identifiers."""

_TRANSACTION_PAGES = {
    "eip155:1": "https://etherscan.io/tx/{}",
    "eip155:137": "https://polygonscan.com/tx/{}",
    "eip155:2741": "https://abscan.org/tx/{}",
    "eip155:8453": "https://basescan.org/tx/{}",
    "eip155:11124": "https://sepolia.abscan.org/tx/{}",
    "eip155:42220": "https://celoscan.io/tx/{}",
    "eip155:43113": "https://testnet.snowtrace.io/tx/{}",
    "eip155:43114": "https://snowtrace.io/tx/{}",
    "eip155:80002": "https://amoy.polygonscan.com/tx/{}",
    "eip155:84532": "https://sepolia.basescan.org/tx/{}",
    "eip155:11155111": "https://sepolia.etherscan.io/tx/{}",
    NETWORKS_V1["solana"]: "https://explorer.solana.com/tx/{}",
    NETWORKS_V1["solana-devnet"]: "https://explorer.solana.com/tx/{}?cluster=devnet",
    NETWORKS_V1["solana-testnet"]: "https://explorer.solana.com/tx/{}?cluster=testnet",
}
"""The page of a transaction in a block explorer, by network."""

_NAMES_V1 = {network: name for name, network in NETWORKS_V1.items()}
_EVM_TRANSACTION = re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII)
_SOLANA_SIGNATURE_BYTES = 64
NETWORK_FORM = (
    "an EVM network or a Solana cluster in CAIP-2 form, such as eip155:8453, or its name, such as"
    " base or solana"
)


class Family(NamedTuple):
    """What networks with the same namespace have in common.

    - `network` matches the identifier of one.
    - `is_account` tells whether a text has the form of its accounts and tokens, which
      `account_form` describes; `is_transaction` the same of what names a transaction.
    - `has_letter_case` tells whether letter case makes a difference in both.
    - `has_domain` tells whether payers sign the token's name and version (EIP-712).
    - `has_fee_payer` tells whether a payment names the account of the facilitator that pays the
      network's fee.
    """

    network: re.Pattern[str]
    is_account: Callable[[str], bool]
    account_form: str
    is_transaction: Callable[[str], bool]
    has_letter_case: bool
    has_domain: bool
    has_fee_payer: bool


EVM = Family(
    re.compile(r"eip155:[1-9][0-9]{0,31}", re.ASCII),
    is_address,
    "0x and 40 hexadecimal digits, in one letter case or in that with the checksum of EIP-55",
    lambda text: _EVM_TRANSACTION.fullmatch(text) is not None,
    has_letter_case=False,
    has_domain=True,
    has_fee_payer=False,
)
SVM = Family(
    re.compile(r"solana:[1-9A-HJ-NP-Za-km-z]{32}", re.ASCII),
    is_solana_address,
    "32 bytes in base58",
    lambda text: decode_base58(text, _SOLANA_SIGNATURE_BYTES) is not None,
    has_letter_case=True,
    has_domain=False,
    has_fee_payer=True,
)
FAMILIES = (EVM, SVM)


class Token(NamedTuple):
    """A token: its contract or mint, its decimals, and its EIP-712 name and version, if any."""

    asset: str
    decimals: int
    name: str = ""
    version: str = ""

    @property
    def domain(self) -> Mapping[str, str]:
        """What `extra` of payment requirements says of it."""
        return {"name": self.name, "version": self.version} if self.version else {}


_SOLANA_TEST_TOKENS = (
    Token("4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU", 6),
    Token("4F6PM96JJxngmHnZLBh9n58RH4aTVNWvDs2nuwrT5BP7", 6),
    Token("CXk2AMBfi3TwaEL2468s6zP8xq9NxTXjp9gjMgzeUynM", 6),
)
_TOKENS = {
    "eip155:1": (Token("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", 6, "USD Coin", "2"),),
    "eip155:14": (Token("0xe7cd86e13AC4309349F30B3435a9d337750fC82D", 6, "USD\u20ae0", "1"),),
    "eip155:50": (Token("0xfA2958CB79b0491CC627c1557F441eF849Ca8eb1", 6, "USDC", "2"),),
    "eip155:51": (Token("0xb5AB69F7bBada22B28e79C8FFAECe55eF1c771D4", 6, "USDC", "2"),),
    "eip155:137": (Token("0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", 6, "USD Coin", "2"),),
    "eip155:143": (Token("0x754704Bc059F8C67012fEd69BC8A327a5aafb603", 6, "USDC", "2"),),
    "eip155:988": (Token("0x779Ded0c9e1022225f8E0630b35a9b54bE713736", 6, "USDT0", "1"),),
    "eip155:1328": (Token("0x4fCF1784B31630811181f670Aea7A7bEF803eaED", 6, "USDC", "2"),),
    "eip155:1329": (Token("0xe15fC38F6D8c56aF07bbCBe3BAf5708A2Bf42392", 6, "USDC", "2"),),
    "eip155:2201": (Token("0x78Cf24370174180738C5B8E352B6D14c83a6c9A9", 6, "USDT0", "1"),),
    "eip155:8453": (Token("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", 6, "USD Coin", "2"),),
    "eip155:36900": (Token("0x9cb8142aEBBcdc60AF7c97Af897A67A8f3CA71C2", 6, "USDC.e", "2"),),
    "eip155:42161": (Token("0xaf88d065e77c8cC2239327C5EDb3A432268e5831", 6, "USD Coin", "2"),),
    "eip155:42220": (
        Token("0xcebA9300f2b948710d2653dD7B07f33A8B32118C", 6, "USDC", "2"),
        Token("0x48065fbBE25f71C9282ddf5e1cD6D6A887483D5e", 6, "Tether USD", "1"),
        Token("0xD2ab3C9A02DBBAB236BfEC45D1d755DF4267F771", 6, "Tether America USD", "1"),
    ),
    "eip155:43114": (Token("0xB97EF9Ef8734C71904D8002F8b6Bc66Dd9c48a6E", 6, "USD Coin", "2"),),
    "eip155:84532": (Token("0x036CbD53842c5426634e7929541eC2318f3dCF7e", 6, "USDC", "2"),),
    "eip155:181228": (Token("0x401eCb1D350407f13ba348573E5630B83638E30D", 6, "Bridged USDC", "2"),),
    "eip155:190415": (Token("0x401eCb1D350407f13ba348573E5630B83638E30D", 6, "Bridged USDC", "2"),),
    "eip155:421614": (Token("0x75faf114eafb1BDbe2F0316DF893fd58CE46AA4d", 6, "USD Coin", "2"),),
    "eip155:11142220": (Token("0x01C5C0122039549AD1493B8220cABEdD739BC44E", 6, "USDC", "2"),),
    "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp": (
        Token("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 6),
        Token("Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", 6),
        Token("2u1tszSeqZ3qBWF3uNGPFc8TzMk2tdiwknnRMWGWjGWH", 6),
        Token("2b1kV6DkPAnxd5ixfnxCpjxmKwqjjaYmCZfHsFu24GXo", 6),
        Token("CASHx9KJUStyftLFWGvEVf59SGeG9sh5FfcnZMVPCASH", 6),
    ),
    "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1": _SOLANA_TEST_TOKENS,
    "solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z": _SOLANA_TEST_TOKENS,
}
"""Tokens worth a dollar, by network; the first is a network's default. Those of EVM networks have
EIP-3009."""


def network_name_v1(network: str) -> str | None:
    """Return the name in x402 version 1 of a network; None if it has none."""
    return _NAMES_V1.get(network)


def transaction_page(network: str, transaction: str) -> str:
    """Return the address of a transaction in a block explorer; empty if there is none."""
    is_known = network in _TRANSACTION_PAGES and family_of(network).is_transaction(transaction)
    return _TRANSACTION_PAGES[network].format(transaction) if is_known else ""


def read_network(text: str) -> str | None:
    """Return a network, by its identifier or its name, in CAIP-2 form; None if it is neither."""
    network = NETWORKS_V1.get(text, text)
    return network if any(family.network.fullmatch(network) for family in FAMILIES) else None


def family_of(network: str) -> Family:
    """Return the family of a network in CAIP-2 form; that of EVM for any other text."""
    return SVM if network.startswith("solana:") else EVM


def is_account(network: str, address: str) -> bool:
    """Tell whether `address` has the form of the accounts and tokens of a known network."""
    return bool(network) and family_of(network).is_account(address)


def normal_address(network: str, address: str) -> str:
    """Return an address in the letter case in which it is compared with others of its network."""
    return address if family_of(network).has_letter_case else address.lower()


def known_token(network: str, asset: str) -> Token | None:
    """Return a token of a network by its contract, or the network's default for an empty one."""
    wanted = normal_address(network, asset)
    for token in _TOKENS.get(network, ()):
        if wanted in ("", normal_address(network, token.asset)):
            return token
    return None
