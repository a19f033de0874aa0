"""What a request of a priced API costs, in what, and who is paid.

Owns turning a tenant's price and the deployment's settings into an offer, and
names the setting when one is missing: there is no default payee, network or
token. Refuses to know how an offer is written.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from core import constants
from core.errors import ConfigurationError
from core.ports import Environment, Json
from tenants.records import ADDRESS, Tenant

FACILITATORS = "FACILITATOR_URL"
_WITH_SECRET = re.compile(r"//[^/]*@|[?#]")
"""A URL that has a password in it, or could have a key."""

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
"""Networks that x402 version 1 has a name for, with their CAIP-2 identifiers."""

_NAMES_V1 = {network: name for name, network in NETWORKS_V1.items()}
_USDC_DECIMALS = 6

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
"""USDC where it is known to be; its decimals need not be configured."""

_NETWORK = re.compile(r"eip155:[1-9][0-9]{0,31}", re.ASCII)
_DECIMALS = re.compile(r"[0-9]{1,2}", re.ASCII)
_DECIMALS_MAX = 30
_MICRO_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class PaymentRequirements:
    """One way to pay for one request, by the scheme `exact` with EIP-3009.

    `network` is in CAIP-2 form, `amount` the price in the token's smallest
    unit, `amount_micros` the same in micro-dollars. `asset_name` and
    `asset_version` are what the token is signed for as (EIP-712).
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
        """The network's name in version 1; None where it has none."""
        return _NAMES_V1.get(self.network)


def offer_for(environment: Environment, tenant: Tenant) -> PaymentRequirements:
    """Make the offer of a priced tenant.

    Raises `ConfigurationError` with the name of a setting, or of a field of
    the tenant's record, that is missing or unusable.
    """
    network = _required(environment, "X402_NETWORK", "the network in CAIP-2 form, eip155:8453")
    network = NETWORKS_V1.get(network, network)
    if not _NETWORK.fullmatch(network):
        raise _unusable("X402_NETWORK", "an EVM network in CAIP-2 form, such as eip155:8453")
    wanted = NETWORKS_V1.get(tenant.payment_network, tenant.payment_network)
    if wanted and wanted != network:
        raise ConfigurationError(
            "paymentNetwork",
            f"The record of {tenant.slug} asks to be paid on {wanted}; this deployment settles"
            f" on {network} (X402_NETWORK).",
        )
    asset = _required(environment, "X402_ASSET", "the address of the token's contract")
    if not ADDRESS.fullmatch(asset):
        raise _unusable("X402_ASSET", "the address of the token's contract: 0x and 40 digits")
    pay_to = tenant.pay_to or _required(
        environment, "PAY_TO_ADDRESS", "the address paid for APIs whose records have no payTo"
    )
    if not ADDRESS.fullmatch(pay_to):
        raise _unusable("PAY_TO_ADDRESS", "an address: 0x and 40 hexadecimal digits")
    return PaymentRequirements(
        network=network,
        asset=asset,
        amount=_atomic_units(tenant.price_micros, _decimals(environment, network, asset)),
        amount_micros=tenant.price_micros,
        pay_to=pay_to,
        asset_name=_required(environment, "X402_ASSET_NAME", "the token's EIP-712 name, USDC"),
        asset_version=_required(environment, "X402_ASSET_VERSION", "its EIP-712 version, 2"),
    )


def facilitator_urls(environment: Environment) -> list[str]:
    """Read the facilitators in the order in which they are asked, without final slashes.

    Raises `ConfigurationError`.
    """
    text = _required(environment, FACILITATORS, "one or more URLs, separated by commas")
    urls = [url.strip().rstrip("/") for url in text.split(",") if url.strip()]
    if not urls or not all(url.startswith(("http://", "https://")) for url in urls):
        raise _unusable(FACILITATORS, "one or more http(s) URLs, separated by commas")
    # These URLs stand in logs, at health and in settlements.
    if any(_WITH_SECRET.search(url) for url in urls):
        raise _unusable(
            FACILITATORS, "URLs without password and query: a key goes into FACILITATOR_API_KEY"
        )
    return urls


def _decimals(environment: Environment, network: str, asset: str) -> int:
    text = environment.setting("X402_ASSET_DECIMALS")
    if text is None and (network, asset.lower()) in _USDC:
        return _USDC_DECIMALS
    if text is None:
        raise ConfigurationError(
            "X402_ASSET_DECIMALS",
            f"The token {asset} on {network} is not one that is known to have 6 decimals."
            " Set it to what the contract's decimals() returns.",
        )
    if not _DECIMALS.fullmatch(text) or int(text) > _DECIMALS_MAX:
        raise _unusable("X402_ASSET_DECIMALS", f"a whole number from 0 to {_DECIMALS_MAX}")
    return int(text)


def _atomic_units(micros: int, decimals: int) -> str:
    if decimals >= _MICRO_DECIMALS:
        return str(micros * 10 ** (decimals - _MICRO_DECIMALS))
    units, rest = divmod(micros, 10 ** (_MICRO_DECIMALS - decimals))
    if rest:
        raise ConfigurationError(
            "priceUsd", f"A token with {decimals} decimals cannot be split that finely."
        )
    return str(units)


def _required(environment: Environment, name: str, what: str) -> str:
    value = environment.setting(name)
    if value is None:
        raise ConfigurationError(name, f"Set it to {what}.")
    return value.strip()


def _unusable(name: str, what: str) -> ConfigurationError:
    return ConfigurationError(name, f"It must be {what}.")


SCHEME = "exact"
PAYMENT_IDENTIFIER = "payment-identifier"
_SCHEMA = "https://json-schema.org/draft/2020-12/schema"
_QUERY_METHODS = ("GET", "HEAD", "DELETE")
_BODY_METHODS = ("POST", "PUT", "PATCH")

_IDENTIFIER_SCHEMA: Mapping[str, Json] = {
    "$schema": _SCHEMA,
    "type": "object",
    "properties": {
        "required": {"type": "boolean"},
        "id": {
            "type": "string",
            "minLength": 16,
            "maxLength": 128,
            "pattern": "^[a-zA-Z0-9_-]+$",
        },
    },
    "required": ["required"],
}


@dataclass(frozen=True, slots=True)
class Resource:
    """What is paid for: its URL, its method and what it is."""

    url: str
    method: str
    description: str


def requirements(offer: PaymentRequirements) -> dict[str, Json]:
    """Write an offer as an entry of `accepts` in version 2."""
    return {
        "scheme": SCHEME,
        "network": offer.network,
        "amount": offer.amount,
        "asset": offer.asset,
        "payTo": offer.pay_to,
        "maxTimeoutSeconds": constants.PAYMENT_VALID_SECONDS,
        "extra": {"name": offer.asset_name, "version": offer.asset_version},
    }


def requirements_v1(offer: PaymentRequirements, resource: Resource) -> dict[str, Json]:
    """Write an offer as an entry of `accepts` in version 1, whose network must have a name."""
    return {
        "scheme": SCHEME,
        "network": offer.network_v1,
        "maxAmountRequired": offer.amount,
        "resource": resource.url,
        "description": resource.description,
        "mimeType": "",
        "payTo": offer.pay_to,
        "maxTimeoutSeconds": constants.PAYMENT_VALID_SECONDS,
        "asset": offer.asset,
        "extra": {"name": offer.asset_name, "version": offer.asset_version},
    }


def payment_required(
    offer: PaymentRequirements, resource: Resource, error: str
) -> Mapping[str, Json]:
    """Write the object of the header `PAYMENT-REQUIRED`, for clients and for indexers."""
    return {
        "x402Version": 2,
        "error": error,
        "resource": {"url": resource.url, "description": resource.description},
        "accepts": [requirements(offer)],
        "extensions": {
            PAYMENT_IDENTIFIER: {"info": {"required": False}, "schema": _IDENTIFIER_SCHEMA},
            **_discovery(resource.method),
        },
    }


def offer_in_body(offer: PaymentRequirements, resource: Resource) -> Mapping[str, Json]:
    """Write what the body of a 402 says beside the error: version 1 looks there for the offer."""
    if offer.network_v1 is None:
        return {"x402Version": 2, "accepts": [requirements(offer)]}
    return {"x402Version": 1, "accepts": [requirements_v1(offer, resource)]}


def encode_header(document: Mapping[str, Json]) -> str:
    """Write an object as a header's value: base64 of JSON."""
    text = json.dumps(document, separators=(",", ":"))
    return binascii.b2a_base64(text.encode(), newline=False).decode("ascii")


def _discovery(method: str) -> Mapping[str, Json]:
    """Write what indexers need to know of an endpoint: how it is called."""
    if method not in (*_QUERY_METHODS, *_BODY_METHODS):
        return {}
    found: dict[str, Json] = {"type": "http", "method": method}
    shape: dict[str, Json] = {
        "type": {"type": "string", "const": "http"},
        "method": {"type": "string", "enum": [method]},
    }
    if method in _BODY_METHODS:
        found |= {"bodyType": "json", "body": {}}
        shape |= {"bodyType": {"type": "string"}, "body": {"type": "object"}}
    entry = {"type": "object", "properties": shape, "required": list(shape)}
    schema = {"$schema": _SCHEMA, "type": "object", "properties": {"input": entry}}
    return {
        "bazaar": {"info": {"input": found}, "schema": {**schema, "required": ["input"]}},
    }
