"""Signs payments without an official client: invalid ones, or many in advance.

Needs the packages of tests and benchmarks.
"""

import base64
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from dev.economy import Economy, Wallet
from dev.economy.chain import EXACT_PROXY, PERMIT2, UPTO_PROXY

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

_PERMIT2_TYPES = {
    "PermitWitnessTransferFrom": [
        {"name": "permitted", "type": "TokenPermissions"},
        {"name": "spender", "type": "address"},
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
        {"name": "witness", "type": "Witness"},
    ],
    "TokenPermissions": [
        {"name": "token", "type": "address"},
        {"name": "amount", "type": "uint256"},
    ],
    "Witness": [
        {"name": "to", "type": "address"},
        {"name": "facilitator", "type": "address"},
        {"name": "validAfter", "type": "uint256"},
    ],
}

Document = dict[str, Any]


def new_wallet(economy: Economy, amount: int = 1_000_000) -> Wallet:
    """Return a new wallet, funded with `amount`."""
    from eth_account import Account  # noqa: PLC0415 (takes half a second)

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
    wallet: Wallet, required: Mapping[str, Any], changes: Mapping[str, Any] | None = None
) -> Document:
    """Sign a payment payload of x402 version 2, for the first way to pay.

    Args:
        wallet: The payer's wallet, which may be a `SmartWallet`.
        required: The decoded payment requirements.
        changes: Fields of the authorization to override before signing.
    """
    accepted = required["accepts"][0]
    is_of_permit2 = accepted["extra"].get("assetTransferMethod") == "permit2"
    make = _sign_permit2 if is_of_permit2 else _sign_authorization
    return {
        "x402Version": 2,
        "resource": required.get("resource"),
        "accepted": accepted,
        "payload": make(wallet, accepted, changes or {}),
    }


def _sign_authorization(wallet: Wallet, accepted: Document, changes: Mapping[str, Any]) -> Document:
    authorization = {
        "from": wallet.address,
        "to": accepted["payTo"],
        "value": accepted["amount"],
        "validAfter": str(int(time.time()) - 600),
        "validBefore": str(int(time.time()) + accepted["maxTimeoutSeconds"]),
        "nonce": f"0x{secrets.token_hex(32)}",
        **changes,
    }
    domain = {
        "name": accepted["extra"]["name"],
        "version": accepted["extra"]["version"],
        "chainId": int(accepted["network"].partition(":")[2]),
        "verifyingContract": accepted["asset"],
    }
    numbers = {name: int(authorization[name]) for name in ("value", "validAfter", "validBefore")}
    signature = _signature(wallet, domain, _TYPES, {**authorization, **numbers})
    return {"authorization": authorization, "signature": signature}


def _sign_permit2(wallet: Wallet, accepted: Document, changes: Mapping[str, Any]) -> Document:
    is_upto = accepted["scheme"] == "upto"
    facilitator = {"facilitator": accepted["extra"]["facilitatorAddress"]} if is_upto else {}
    authorization = {
        "from": wallet.address,
        "permitted": {"token": accepted["asset"], "amount": accepted["amount"]},
        "spender": UPTO_PROXY if is_upto else EXACT_PROXY,
        "nonce": str(secrets.randbits(256)),
        "deadline": str(int(time.time()) + accepted["maxTimeoutSeconds"]),
        "witness": {"to": accepted["payTo"], **facilitator, "validAfter": "0"},
        **changes,
    }
    domain = {
        "name": "Permit2",
        "chainId": int(accepted["network"].partition(":")[2]),
        "verifyingContract": PERMIT2,
    }
    fields = [one for one in _PERMIT2_TYPES["Witness"] if one["name"] in authorization["witness"]]
    permitted, witness = authorization["permitted"], authorization["witness"]
    message = {
        "permitted": {**permitted, "amount": int(permitted["amount"])},
        "spender": authorization["spender"],
        "nonce": int(authorization["nonce"]),
        "deadline": int(authorization["deadline"]),
        "witness": {**witness, "validAfter": int(witness["validAfter"])},
    }
    signature = _signature(wallet, domain, {**_PERMIT2_TYPES, "Witness": fields}, message)
    return {"permit2Authorization": authorization, "signature": signature}


def _signature(wallet: Wallet, domain: Document, types: Document, message: Document) -> str:
    from eth_account import Account  # noqa: PLC0415 (takes half a second)

    signed = Account.sign_typed_data(wallet.private_key, domain, types, message)
    return wallet.signed(f"0x{signed.signature.hex().removeprefix('0x')}")
