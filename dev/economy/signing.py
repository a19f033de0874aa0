"""Payments signed by hand: what the official clients would not sign, or not beforehand.

Needs the packages of tests and benchmarks.
"""

import base64
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from eth_account import Account

from dev.economy import Economy, Wallet

_TYPES = {
    "TransferWithAuthorization": [
        {"name": "from", "type": "address"},
        {"name": "to", "type": "address"},
        {"name": "value", "type": "uint256"},
        {"name": "validAfter", "type": "uint256"},
        {"name": "validBefore", "type": "uint256"},
        {"name": "nonce", "type": "bytes32"},
    ]
}

Document = dict[str, Any]


def new_wallet(economy: Economy, amount: int = 1_000_000) -> Wallet:
    """Return a wallet that nobody else uses, with some tokens in it."""
    account = Account.create()
    if amount:
        economy.chain.fund(account.address, amount)
    return Wallet(account.address, f"0x{account.key.hex().removeprefix('0x')}")


def decoded(header: str) -> Document:
    """Return the JSON in a header of x402."""
    document: Document = json.loads(base64.b64decode(header, validate=True))
    return document


def encoded(document: object) -> str:
    """Return a JSON document as a header of x402 has it."""
    return base64.b64encode(json.dumps(document).encode()).decode()


def sign(
    wallet: Wallet, required: Mapping[str, Any], changes: Mapping[str, str] | None = None
) -> Document:
    """Return the payment in version 2 that an offer asks for.

    `required` is the offer, decoded. `changes` are fields of the authorization that are to be
    other ones than the offer's; they are signed too.
    """
    accepted = required["accepts"][0]
    authorization = {
        "from": wallet.address,
        "to": accepted["payTo"],
        "value": accepted["amount"],
        "validAfter": str(int(time.time()) - 600),
        "validBefore": str(int(time.time()) + accepted["maxTimeoutSeconds"]),
        "nonce": f"0x{secrets.token_hex(32)}",
        **(changes or {}),
    }
    domain = {
        "name": accepted["extra"]["name"],
        "version": accepted["extra"]["version"],
        "chainId": int(accepted["network"].partition(":")[2]),
        "verifyingContract": accepted["asset"],
    }
    numbers = {name: int(authorization[name]) for name in ("value", "validAfter", "validBefore")}
    message = {**authorization, **numbers}
    signed = Account.sign_typed_data(wallet.private_key, domain, _TYPES, message)
    return {
        "x402Version": 2,
        "resource": required.get("resource"),
        "accepted": accepted,
        "payload": {
            "authorization": authorization,
            "signature": f"0x{signed.signature.hex().removeprefix('0x')}",
        },
    }
