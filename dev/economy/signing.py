"""Signs payments without an official client: invalid ones, or many in advance.

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
    """Return a new wallet, funded with `amount`."""
    account = Account.create()
    if amount:
        economy.chain.fund(account.address, amount)
    return Wallet(account.address, f"0x{account.key.hex().removeprefix('0x')}")


def decoded(header: str) -> Document:
    """Decode an x402 header."""
    document: Document = json.loads(base64.b64decode(header, validate=True))
    return document


def encoded(document: object) -> str:
    """Encode a JSON document for an x402 header."""
    return base64.b64encode(json.dumps(document).encode()).decode()


def sign(
    wallet: Wallet, required: Mapping[str, Any], changes: Mapping[str, str] | None = None
) -> Document:
    """Sign a payment payload of x402 version 2.

    Args:
        wallet: The payer's wallet, which may be a `SmartWallet`.
        required: The decoded payment requirements.
        changes: Fields of the authorization to override before signing.
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
            "signature": wallet.signed(f"0x{signed.signature.hex().removeprefix('0x')}"),
        },
    }
