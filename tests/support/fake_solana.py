"""Transactions of Solana, and a node in memory, for tests of payments.

Signatures are stand-ins: 64 bytes that no key made. The node behaves as the methods of the official
documentation (https://solana.com/docs/rpc) as far as the dispatcher calls them.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.ports import Json
from payments.chain.svm.accounts import token_account
from payments.chain.svm.transaction import read_transaction
from tenants.addresses import decode_base58, encode_base58
from tests.support.fakes import NOON_MS

NETWORK = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1"
GENESIS_HASH = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"
USDC = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU"
RPC_URL = "http://solana.example"

OFFICIAL = (
    "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAu"
    "XNyjpG1dBDBOmBAHNv8ClibXlN0FkxOvHHWplRlN0xKiqqo4+zCsnFRKtP9dNEBlatr5QnpQGaHQ8MZ1HdkCgAIB"
    "BAjM2Cg0o+Bw9pzZoHNHVzHyihkpXw0tv+pjh+Vzfon5dRQBEHPtvD84FuIhuLaiysFxQyK3kM7beDH0V7IvT4Rn"
    "NqvDqixJ7nceHGXKRWsgqVOS/j0jqavIpxtIXBWxpWtUBaQmcHKWQUK3jnJeNXw2dp8ZVzlOML29GyRlfrQ+0jtE"
    "LLORIVfxOpM9ATQoLQMrX/7NAaLb8bd5BgjfAC6nAwZGb+UhFzL/7K26csOb57yM5bvF9xJrLEObOkAAAAAFSlNa"
    "mSkhBk0k6HFg2jh8fDW13bySu4HkH6hAQQVEjQbd9uHXZaGT2cvhRs7reawctIXtX1s3kTqM9YV+/wCpruutSnlv"
    "zC4V3ExgYbRe2bNz8mrfx5jKfS2MxYGCcY4EBQAFAiBOAAAFAAkDAQAAAAAAAAAHBAIEAwEKDBAnAAAAAAAABgYA"
    "IDQ5NWU4MTY5OTQ3OGQ5NmNjNWJhNWNkOTJmOGFhMzU5AA=="
)
"""What the official client (@x402/svm 2.27) signed: BUYER pays 10,000 units of USDC to PAYEE, and
FEE_PAYER is to pay the fee."""

BUYER = "2M66XFg8Qk9Vu1KBHpVHmYmvHnbukMFXg8beJzTtXRcz"
PAYEE = "7ZG9juKTJqLpxw5bjRigj7GVrrFzh3DjbChTv8muBP71"
FEE_PAYER = "EndLmEsKXNdSsaJjxxYnwtdAjmE6sEoHcTX9rKEErGfe"
PAYEE_ACCOUNT = "6ezEfzNFfYHVqE54cqaAgiXc3y7u7YqKHkGm6FJaoRaR"
"""Where the payee has its tokens, according to the official library."""

TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
TOKEN_2022_PROGRAM = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"
MEMO_PROGRAM = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"
SYSTEM_PROGRAM = "11111111111111111111111111111111"
MINT = bytes(44) + bytes([6, 1]) + bytes(36)
"""The data of a token with 6 decimals."""


def key(address: str) -> bytes:
    """Return the bytes of an address."""
    found = decode_base58(address, 32)
    assert found is not None
    return found


def account_of(owner: str, mint: str = USDC, program: str = TOKEN_PROGRAM) -> str:
    """Return where an owner has a token."""
    return encode_base58(token_account(key(owner), key(program), key(mint)))


@dataclass(frozen=True)
class Instruction:
    """An instruction, with the addresses of its accounts."""

    program: str
    accounts: Sequence[str]
    data: bytes


def transfer(
    amount: int = 10_000,
    *,
    payer: str = BUYER,
    destination: str = PAYEE_ACCOUNT,
    mint: str = USDC,
    program: str = TOKEN_PROGRAM,
) -> Instruction:
    """Return the instruction that pays."""
    accounts = (account_of(payer, mint, program), mint, destination, payer)
    return Instruction(program, accounts, bytes([12]) + amount.to_bytes(8, "little") + bytes([6]))


def memo(text: str) -> Instruction:
    return Instruction(MEMO_PROGRAM, (), text.encode())


@dataclass(frozen=True)
class Payment:
    """A transaction that pays; `text` is its base64. `number` makes it unlike others."""

    number: int = 1
    instructions: Sequence[Instruction] = (transfer(),)
    signers: Sequence[str] = (FEE_PAYER, BUYER)
    blockhash: bytes = bytes([9]) * 32
    prefix: bytes = b"\x80"
    suffix: bytes = b"\x00"
    signatures: Sequence[bytes] = (bytes(64), bytes([7]) * 64)

    @property
    def message(self) -> bytes:
        """What is signed."""
        all_of = [*self.instructions, memo(f"nonce {self.number:08}")]
        named = [name for one in all_of for name in (*one.accounts, one.program)]
        accounts = [*dict.fromkeys([*self.signers, *named])]
        parts = [self.prefix, bytes([len(self.signers), 0, 1]), bytes([len(accounts)])]
        parts += [key(name) for name in accounts]
        parts += [self.blockhash, bytes([len(all_of)])]
        for one in all_of:
            indices = bytes(accounts.index(name) for name in one.accounts)
            parts += [bytes([accounts.index(one.program), len(indices)]), indices]
            parts += [bytes([len(one.data)]), one.data]
        return b"".join([*parts, self.suffix])

    @property
    def text(self) -> str:
        """The transaction in base64."""
        content = bytes([len(self.signatures)]) + b"".join(self.signatures) + self.message
        return base64.b64encode(content).decode()


def signature_of(text: str) -> str:
    """Return the stand-in for the fee payer's signature of a transaction, in base58."""
    return encode_base58(hashlib.sha512(read_transaction(text).message).digest())


def executed_text(text: str) -> str:
    """Return a transaction with the fee payer's signature."""
    content = bytearray(base64.b64decode(text))
    signature = decode_base58(signature_of(text), 64)
    assert signature is not None
    content[1:65] = signature
    return base64.b64encode(content).decode()


@dataclass
class SolanaNode:
    """A node. `executed` has the result of `getTransaction` by signature, the oldest first."""

    executed: dict[str, dict[str, Any]] = field(default_factory=dict)
    has_expired: bool = False
    finalized_seconds: int = NOON_MS // 1000
    """The time of the newest finalized block."""
    first_seconds: int = NOON_MS // 1000 - 86_400
    """The time of the oldest block that the node still has."""
    genesis_hash: Json = GENESIS_HASH
    mint: Json = field(
        default_factory=lambda: {
            "owner": TOKEN_PROGRAM,
            "data": [base64.b64encode(MINT).decode(), "base64"],
        }
    )

    def execute(
        self,
        text: str,
        *,
        error: Json = None,
        received: int = 10_000,
        at_seconds: int = NOON_MS // 1000 + 2,
        memo_shown: str | None = "",
    ) -> str:
        """Put a transaction into a block; return its signature."""
        signature = signature_of(text)
        balances = [
            [
                {"owner": BUYER, "mint": USDC, "uiTokenAmount": {"amount": str(buyer)}},
                {"owner": PAYEE, "mint": USDC, "uiTokenAmount": {"amount": str(payee)}},
            ]
            for buyer, payee in ((10**9, 5), (10**9 - received, 5 + received))
        ]
        meta = {"err": error, "preTokenBalances": balances[0], "postTokenBalances": balances[1]}
        memos = "; ".join(f"[{len(one)}] {one}" for one in read_transaction(text).memos)
        self.executed[signature] = {
            "transaction": [executed_text(text), "base64"],
            "meta": meta,
            "blockTime": at_seconds,
            "memo": memos if memo_shown == "" else memo_shown,
        }
        return signature

    def rpc(self, method: str, parameters: list[Any]) -> Json:
        """Return the result of a JSON-RPC call."""
        return getattr(self, f"_{method}")(*parameters)

    def _getGenesisHash(self) -> Json:  # noqa: N802
        return self.genesis_hash

    def _getSignatureStatuses(self, signatures: list[str], options: Json) -> Json:  # noqa: N802
        assert options == {"searchTransactionHistory": True}
        status = {"confirmationStatus": "finalized"}
        return {"value": [status if name in self.executed else None for name in signatures]}

    def _isBlockhashValid(self, _: str, options: Json) -> Json:  # noqa: N802
        assert options == {"commitment": "finalized"}
        return {"context": {"slot": 1_000}, "value": not self.has_expired}

    def _getBlockTime(self, slot: Json) -> Json:  # noqa: N802
        times = ((1_000, self.finalized_seconds), (7, self.first_seconds))
        return next((seconds for known, seconds in times if slot == known), None)

    def _getFirstAvailableBlock(self) -> Json:  # noqa: N802
        return 7

    def _getSignaturesForAddress(self, address: str, options: Any) -> Json:  # noqa: N802
        assert options["commitment"] == "finalized"
        assert options["minContextSlot"] == 1_000
        entries = [
            {"signature": name, "blockTime": found["blockTime"], "memo": found["memo"]}
            for name, found in self.executed.items()
            if key(address) in read_transaction(found["transaction"][0]).accounts
        ]
        return [*reversed(entries)][: options["limit"]]

    def _getTransaction(self, signature: str, options: Json) -> Json:  # noqa: N802
        assert options == {
            "commitment": "finalized",
            "encoding": "base64",
            "maxSupportedTransactionVersion": 0,
        }
        return self.executed.get(signature)

    def _getAccountInfo(self, _: str, options: Json) -> Json:  # noqa: N802
        assert options == {"commitment": "finalized", "encoding": "base64"}
        return {"value": self.mint}
