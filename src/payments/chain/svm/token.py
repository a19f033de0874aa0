"""Compares a mint of Solana with the settings that describe the token.

Source: the account layout of SPL Token, with which that of Token-2022 begins.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence

from core.errors import FetchFailed
from core.ports import Json
from payments.chain.node import Node
from payments.chain.svm.calls import FINALIZED, value_of
from payments.chain.svm.transaction import TOKEN_PROGRAMS
from payments.requirements import PaymentRequirements
from tenants.addresses import encode_base58

_DECIMALS_AT = 44
_MINT_BYTES = 82


async def token_differences(
    node: Node, requirements: PaymentRequirements, labels: Sequence[str]
) -> Sequence[str]:
    """Return a sentence for each setting that does not fit the token. Raises nothing.

    `labels` name what sets the token's address, decimals, name and version.
    """
    asset, decimals, *_ = labels
    wanted = requirements.decimals
    try:
        found = await _read_decimals(node, requirements.asset)
    except FetchFailed:
        return []
    if found is None:
        where = f"{requirements.asset} on {requirements.network}"
        return [f"{asset}: the account {where} is no token, or does not exist."]
    if wanted is not None and wanted != found:
        return [f"{decimals}: the token has {found}, not {wanted}."]
    return []


async def _read_decimals(node: Node, mint: str) -> int | None:
    """Return the decimals of a token; None if there is none."""
    options = {**FINALIZED, "encoding": "base64"}
    account = value_of(await node.call("getAccountInfo", [mint, options]))
    if account is None:
        return None
    data: Json = account.get("data") if isinstance(account, dict) else None
    if not isinstance(data, list) or not data or not isinstance(data[0], str):
        raise FetchFailed("getAccountInfo: the account has no data in base64")
    try:
        content = binascii.a2b_base64(data[0])
    except (ValueError, binascii.Error) as error:
        raise FetchFailed("getAccountInfo: the data is not base64") from error
    is_mint = account.get("owner") in map(encode_base58, TOKEN_PROGRAMS)
    return content[_DECIMALS_AT] if is_mint and len(content) >= _MINT_BYTES else None
