"""Compares the token's contract with the settings that describe it.

A wrong name, version or number of decimals otherwise shows only when the first buyer's signature
is rejected, or when the price is off by a power of ten.

Sources: EIP-20 for `name` and `decimals`, EIP-712 for the domain, EIP-3009 for
`authorizationState`; `version` and `DOMAIN_SEPARATOR` as in Circle's USDC.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import FetchFailed
from core.keccak import keccak_256
from payments.chain.evm.calls import contract_call
from payments.chain.node import Node
from payments.requirements import PaymentRequirements

_NAME = "0x06fdde03"
_VERSION = "0x54fd4d50"
_DECIMALS = "0x313ce567"
_DOMAIN_SEPARATOR = "0x3644e515"
_AUTHORIZATION_STATE = "0xe94a0102" + 128 * "0"
"""The call `authorizationState(0, 0)`."""

_DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_WORD_BYTES = 32


@dataclass(frozen=True, slots=True)
class Token:
    """What a token's contract returns; None for a function that it lacks."""

    name: str | None
    version: str | None
    decimals: int | None
    domain_separator: bytes | None
    has_authorizations: bool


async def token_differences(
    node: Node, requirements: PaymentRequirements, labels: Sequence[str]
) -> Sequence[str]:
    """Return a sentence for each setting that does not fit the token. Raises nothing.

    `labels` name what sets the token's address, decimals, name and version.
    """
    return differences(await read_token(node, requirements.asset), requirements, labels)


async def read_token(node: Node, asset: str) -> Token:
    """Read a token, in one round trip. Raises nothing."""
    calls = (_NAME, _VERSION, _DECIMALS, _DOMAIN_SEPARATOR, _AUTHORIZATION_STATE)
    name, version, decimals, separator, state = await asyncio.gather(
        *(_result(node, asset, data) for data in calls)
    )
    return Token(
        name=_text(name),
        version=_text(version),
        decimals=int.from_bytes(decimals, "big") if len(decimals) == _WORD_BYTES else None,
        domain_separator=separator if len(separator) == _WORD_BYTES else None,
        has_authorizations=len(state) == _WORD_BYTES,
    )


def differences(
    token: Token, requirements: PaymentRequirements, labels: Sequence[str]
) -> Sequence[str]:
    """Return a sentence for each setting that does not fit a token; `labels` as above."""
    found = []
    asset, decimals, name, version = labels
    is_permit2 = requirements.is_permit2
    if token.decimals is None if is_permit2 else not token.has_authorizations:
        lacks = "is no token" if is_permit2 else "does not support EIP-3009"
        found.append(
            f"{asset}: the contract {requirements.asset} on {requirements.network} {lacks}, or"
            " does not exist."
        )
    if None not in (token.decimals, requirements.decimals) and (
        token.decimals != requirements.decimals
    ):
        found.append(f"{decimals}: the token has {token.decimals}, not {requirements.decimals}.")
    if is_permit2:
        return found
    # What buyers sign. A token may sign under another name than it shows.
    if token.domain_separator == domain_separator(requirements):
        return found
    names = (
        (name, "name()", token.name, requirements.extra["name"]),
        (version, "version()", token.version, requirements.extra["version"]),
    )
    wrong = [
        f"{setting}: the token's {function} is {value!r}, not {configured!r}."
        for setting, function, value, configured in names
        if value is not None and value != configured
    ]
    if token.domain_separator is not None and not wrong:
        wrong.append(
            f"{name}, {version}: the token's DOMAIN_SEPARATOR() is for another name, version,"
            " network or address, so it will reject all payments."
        )
    return [*found, *wrong]


def domain_separator(requirements: PaymentRequirements) -> bytes:
    """Return the hash of the EIP-712 domain for which buyers sign."""
    chain_id = int(requirements.network.partition(":")[2])
    names = (requirements.extra[name] for name in ("name", "version"))
    return keccak_256(
        keccak_256(_DOMAIN_TYPE)
        + b"".join(keccak_256(str(name).encode()) for name in names)
        + (chain_id % 2**256).to_bytes(_WORD_BYTES, "big")
        + bytes.fromhex(requirements.asset[2:]).rjust(_WORD_BYTES, b"\0")
    )


async def _result(node: Node, asset: str, data: str) -> bytes:
    """Call a function of the token; no bytes if that fails."""
    try:
        return await contract_call(node, asset, data, "latest")
    except FetchFailed:
        return b""


def _text(encoded: bytes) -> str | None:
    """Decode a string as functions return it, or the 32 bytes of old tokens."""
    content = encoded
    if len(encoded) > _WORD_BYTES:
        length = int.from_bytes(encoded[_WORD_BYTES : 2 * _WORD_BYTES], "big")
        content = encoded[2 * _WORD_BYTES :][:length]
    return content.rstrip(b"\0").decode(errors="replace") or None
