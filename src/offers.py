"""Offers as they leave on the wire, in versions 2 and 1 of x402.

Owns their forms: what a client reads to pay, and an indexer to list an API.

Sources: the specification of version 2, its HTTP transport and its extensions
`payment-identifier` and `bazaar` (https://github.com/coinbase/x402, folder specs).
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

import limits
from ports import Json
from pricing import Offer

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


def requirements(offer: Offer) -> dict[str, Json]:
    """Write an offer as an entry of `accepts` in version 2."""
    return {
        "scheme": SCHEME,
        "network": offer.network,
        "amount": offer.amount,
        "asset": offer.asset,
        "payTo": offer.pay_to,
        "maxTimeoutSeconds": limits.PAYMENT_VALID_SECONDS,
        "extra": {"name": offer.asset_name, "version": offer.asset_version},
    }


def requirements_v1(offer: Offer, resource: Resource) -> dict[str, Json]:
    """Write an offer as an entry of `accepts` in version 1, whose network must have a name."""
    return {
        "scheme": SCHEME,
        "network": offer.network_v1,
        "maxAmountRequired": offer.amount,
        "resource": resource.url,
        "description": resource.description,
        "mimeType": "",
        "payTo": offer.pay_to,
        "maxTimeoutSeconds": limits.PAYMENT_VALID_SECONDS,
        "asset": offer.asset,
        "extra": {"name": offer.asset_name, "version": offer.asset_version},
    }


def payment_required(offer: Offer, resource: Resource, error: str) -> Mapping[str, Json]:
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


def offer_in_body(offer: Offer, resource: Resource) -> Mapping[str, Json]:
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
