"""Networks and tokens that are known by name, so that a record or a setting need not describe them.

Networks are in CAIP-2 form: `eip155:` and the chain's id. Sources: the tables of the npm packages
@x402/core and @x402/evm 2.27.0.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tenants.addresses import is_address

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
}
"""Networks that have a name in x402 version 1, with their CAIP-2 identifiers."""

_NAMES_V1 = {network: name for name, network in NETWORKS_V1.items()}
_NETWORK = re.compile(r"eip155:[1-9][0-9]{0,31}", re.ASCII)
NETWORK_FORM = "an EVM network in CAIP-2 form, such as eip155:8453, or its name, such as base"


class Token(NamedTuple):
    """A token: its contract, its decimals, and its EIP-712 name and version."""

    asset: str
    decimals: int
    name: str
    version: str


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
}
"""Tokens worth a dollar with EIP-3009, by network; the first is a network's default."""


def network_name_v1(network: str) -> str | None:
    """Return the name in x402 version 1 of a network; None if it has none."""
    return _NAMES_V1.get(network)


def read_network(text: str) -> str | None:
    """Return a network, by its identifier or its name, in CAIP-2 form; None if it is neither."""
    network = NETWORKS_V1.get(text, text)
    return network if _NETWORK.fullmatch(network) else None


def is_account(network: str, address: str) -> bool:
    """Tell whether `address` has the form of the accounts and contracts of a known network."""
    return network.startswith("eip155:") and is_address(address)


def known_token(network: str, asset: str) -> Token | None:
    """Return a token of a network by its contract, or the network's default for an empty one."""
    tokens = _TOKENS.get(network, ())
    wanted = asset.lower()
    return next((token for token in tokens if wanted in ("", token.asset.lower())), None)
