"""Payment requirements: what a request to a priced API costs, in which token, and who is paid.

They are made from the tenant's record and the deployment's settings. There is no default
payee, network or token. `accepts_in_body` and the functions after it write them in the form of x402
version 2 or 1 (https://github.com/coinbase/x402, folder specs).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from core import constants
from core.errors import ConfigurationError
from core.ports import Environment, Json
from tenants.addresses import is_address
from tenants.discovery import NOTHING_KNOWN, Discovery
from tenants.records import Tenant

SCHEME = "exact"
PAYMENT_IDENTIFIER = "payment-identifier"
NETWORKS_V1 = {
    "base": "eip155:8453",
    "base-sepolia": "eip155:84532",
    "ethereum": "eip155:1",
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
    "story": "eip155:1513",
    "celo": "eip155:42220",
    "monad": "eip155:143",
}
"""Networks that have a name in x402 version 1, with their CAIP-2 identifiers."""

_NAMES_V1 = {network: name for name, network in NETWORKS_V1.items()}
_NETWORK = re.compile(r"eip155:[1-9][0-9]{0,31}", re.ASCII)
_ADDRESS_FORM = (
    "0x and 40 hexadecimal digits, in one letter case or in that with the checksum of EIP-55"
)
_USDC = frozenset(
    (
        ("eip155:1", "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"),
        ("eip155:137", "0x3c499c542cef5e3811e1192ce70d8cc03d5c3359"),
        ("eip155:8453", "0x833589fcd6edb6e08f4c7c32d4f71b54bda02913"),
        ("eip155:42161", "0xaf88d065e77c8cc2239327c5edb3a432268e5831"),
        ("eip155:43114", "0xb97ef9ef8734c71904d8002f8b6bc66dd9c48a6e"),
        ("eip155:84532", "0x036cbd53842c5426634e7929541ec2318f3dcf7e"),
        ("eip155:421614", "0x75faf114eafb1bdbe2f0316df893fd58ce46aa4d"),
    )
)
"""Known contracts of USDC, whose decimals need not be configured."""

_USDC_DECIMALS = 6
_MICRO_DECIMALS = 6
_DECIMALS = re.compile(r"[0-9]{1,2}", re.ASCII)
_DECIMALS_MAX = 30


@dataclass(frozen=True, slots=True)
class PaymentRequirements:
    """One way to pay for one request, by the scheme `exact` with EIP-3009.

    `network` is in CAIP-2 form, `amount` the price in the token's smallest unit,
    `amount_micros` the same in micro-dollars. `asset_name` and `asset_version` identify the
    token in signatures (EIP-712).
    """

    network: str
    asset: str
    amount: str
    amount_micros: int
    pay_to: str
    asset_name: str
    asset_version: str

    @property
    def network_v1(self) -> str | None:
        """The network's name in x402 version 1; None if it has none."""
        return network_name_v1(self.network)


@dataclass(frozen=True, slots=True)
class Resource:
    """What is paid for: its URL, method and description, and how it is called."""

    url: str
    method: str
    description: str
    discovery: Discovery = NOTHING_KNOWN


def network_name_v1(network: str) -> str | None:
    """Return the name in x402 version 1 of a CAIP-2 network; None if it has none."""
    return _NAMES_V1.get(network)


def requirements_for(environment: Environment, tenant: Tenant) -> PaymentRequirements:
    """Return the payment requirements of a priced tenant.

    Raises `ConfigurationError` with the name of the setting, or of the field of the tenant's
    record, that is missing or unusable.
    """
    network = _required(environment, "X402_NETWORK", "the network in CAIP-2 form, eip155:8453")
    network = NETWORKS_V1.get(network, network)
    if not _NETWORK.fullmatch(network):
        raise _unusable("X402_NETWORK", "an EVM network in CAIP-2 form, such as eip155:8453")
    wanted = NETWORKS_V1.get(tenant.payment_network, tenant.payment_network)
    if wanted and wanted != network:
        raise ConfigurationError(
            "paymentNetwork",
            f"The record of {tenant.slug} demands payment on {wanted}; this deployment settles"
            f" on {network} (X402_NETWORK).",
        )
    asset = _required(environment, "X402_ASSET", "the address of the token's contract")
    if not is_address(asset):
        raise _unusable("X402_ASSET", f"the address of the token's contract: {_ADDRESS_FORM}")
    pay_to = tenant.pay_to or _required(
        environment, "PAY_TO_ADDRESS", "the address paid for APIs whose records have no payTo"
    )
    if not is_address(pay_to):
        raise _unusable("PAY_TO_ADDRESS", f"an address: {_ADDRESS_FORM}")
    return PaymentRequirements(
        network=network,
        asset=asset,
        amount=_atomic_units(tenant.price_micros, token_decimals(environment, network, asset)),
        amount_micros=tenant.price_micros,
        pay_to=pay_to,
        asset_name=_required(environment, "X402_ASSET_NAME", "the token's EIP-712 name, USDC"),
        asset_version=_required(environment, "X402_ASSET_VERSION", "its EIP-712 version, 2"),
    )


def token_decimals(environment: Environment, network: str, asset: str) -> int:
    """Return the decimals of a token. Raises `ConfigurationError`."""
    text = environment.setting("X402_ASSET_DECIMALS")
    if text is None and (network, asset.lower()) in _USDC:
        return _USDC_DECIMALS
    if text is None:
        raise ConfigurationError(
            "X402_ASSET_DECIMALS",
            f"The decimals of the token {asset} on {network} are not known."
            " Set it to what the contract's decimals() returns.",
        )
    if not _DECIMALS.fullmatch(text) or int(text) > _DECIMALS_MAX:
        raise _unusable("X402_ASSET_DECIMALS", f"a whole number from 0 to {_DECIMALS_MAX}")
    return int(text)


def _atomic_units(micros: int, decimals: int) -> str:
    if decimals >= _MICRO_DECIMALS:
        return str(micros * 10 ** (decimals - _MICRO_DECIMALS))
    units, remainder = divmod(micros, 10 ** (_MICRO_DECIMALS - decimals))
    if remainder:
        raise ConfigurationError(
            "priceUsd", f"The price has more decimal places than the token, which has {decimals}."
        )
    return str(units)


def _required(environment: Environment, name: str, what: str) -> str:
    value = environment.setting(name)
    if value is None:
        raise ConfigurationError(name, f"Set it to {what}.")
    return value.strip()


def _unusable(name: str, what: str) -> ConfigurationError:
    return ConfigurationError(name, f"It must be {what}.")


def accepts_in_body(requirements: PaymentRequirements, resource: Resource) -> Mapping[str, Json]:
    """Return the x402 fields of a 402's body, which clients of version 1 read."""
    if requirements.network_v1 is None:
        return {"x402Version": 2, "accepts": [accepts_entry(requirements)]}
    return {"x402Version": 1, "accepts": [accepts_entry_v1(requirements, resource)]}


def accepts_entry(requirements: PaymentRequirements) -> dict[str, Json]:
    """Return the requirements as an entry of `accepts` in version 2."""
    return {
        "scheme": SCHEME,
        "network": requirements.network,
        "amount": requirements.amount,
        "asset": requirements.asset,
        "payTo": requirements.pay_to,
        "maxTimeoutSeconds": constants.PAYMENT_VALID_SECONDS,
        "extra": {"name": requirements.asset_name, "version": requirements.asset_version},
    }


def accepts_entry_v1(requirements: PaymentRequirements, resource: Resource) -> dict[str, Json]:
    """Return the requirements, whose network must have a name, as an entry in version 1."""
    return {
        "scheme": SCHEME,
        "network": requirements.network_v1,
        "maxAmountRequired": requirements.amount,
        "resource": resource.url,
        "description": resource.description,
        "mimeType": resource.discovery.mime_type,
        "payTo": requirements.pay_to,
        "maxTimeoutSeconds": constants.PAYMENT_VALID_SECONDS,
        "asset": requirements.asset,
        "extra": {"name": requirements.asset_name, "version": requirements.asset_version},
    }
