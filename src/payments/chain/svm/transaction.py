"""Reads transactions of Solana, and the transfer of a token in one.

A text that this accepts has one message, and each message one form: lengths are in their shortest
form, and nothing follows. So the hash of a message identifies what was signed.

Sources: the Solana documentation (https://solana.com/docs/core/transactions), the programs SPL
Token and Memo, and durable nonces (https://docs.anza.xyz/implemented-proposals/durable-tx-nonces).
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from core.errors import DataError
from tenants.addresses import decode_base58, encode_base58

_BYTES_MAX = 1_232
"""A transaction must fit into one packet."""

_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_VERSIONED = 0x80
_CONTINUED = 0x80
_SYSTEM_PROGRAM = bytes(_KEY_BYTES)
_ADVANCE_NONCE = (4).to_bytes(4, "little")
_TRANSFER_CHECKED = 12
_TRANSFER_ACCOUNTS = 4
_AMOUNT = slice(1, 9)


def _key(address: str) -> bytes:
    key = decode_base58(address, _KEY_BYTES)
    assert key is not None
    return key


TOKEN_PROGRAMS = (
    _key("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"),
    _key("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"),
)
"""SPL Token and Token-2022."""

_MEMO_PROGRAM = _key("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")


class TransactionUnreadable(DataError):
    """Bytes that are no transaction, or one of a kind that is not supported; says which."""


class Instruction(NamedTuple):
    """One instruction: its program, the indices of its accounts, and its data."""

    program: bytes
    accounts: bytes
    data: bytes


class Transfer(NamedTuple):
    """A transfer of a token. The authority, who signed it, owns `source` or may spend from it.

    `amount` is in the token's smallest unit; the others are accounts.
    """

    program: bytes
    source: bytes
    mint: bytes
    destination: bytes
    authority: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction. `accounts` are those in the message itself; the first `len(signatures)` sign.

    The first of them pays the fee, and its signature names the transaction.
    """

    signatures: Sequence[bytes]
    message: bytes
    accounts: Sequence[bytes]
    blockhash: str
    instructions: Sequence[Instruction]

    @property
    def message_hash(self) -> str:
        """A hash of what was signed: 64 hexadecimal digits."""
        return hashlib.sha256(self.message).hexdigest()

    @property
    def has_durable_nonce(self) -> bool:
        """Whether its blockhash is a nonce, which does not expire."""
        first = self.instructions[0] if self.instructions else None
        return (
            first is not None
            and first.program == _SYSTEM_PROGRAM
            and first.data[: len(_ADVANCE_NONCE)] == _ADVANCE_NONCE
        )

    @property
    def memos(self) -> Sequence[str]:
        """The texts of its memos."""
        return [
            each.data.decode(errors="replace")
            for each in self.instructions
            if each.program == _MEMO_PROGRAM
        ]

    def transfer(self) -> Transfer:
        """Return its transfer: the first instruction of a token program with four accounts.

        Facilitators verify the others. Raises `TransactionUnreadable` if it is no transfer, or if
        one of its accounts is in a lookup table.
        """
        for program, indices, data in self.instructions:
            if program not in TOKEN_PROGRAMS or len(indices) < _TRANSFER_ACCOUNTS:
                continue
            if len(data) < _AMOUNT.stop or data[0] != _TRANSFER_CHECKED:
                raise TransactionUnreadable("its first token instruction is no TransferChecked")
            if max(indices[:_TRANSFER_ACCOUNTS]) >= len(self.accounts):
                raise TransactionUnreadable("accounts of its transfer are in a lookup table")
            if not 0 < indices[3] < len(self.signatures):
                raise TransactionUnreadable("its payer did not sign it, or pays its fee")
            source, mint, destination, authority = (
                self.accounts[index] for index in indices[:_TRANSFER_ACCOUNTS]
            )
            amount = int.from_bytes(data[_AMOUNT], "little")
            return Transfer(program, source, mint, destination, authority, amount)
        raise TransactionUnreadable("it has no transfer of a token")


def read_transaction(text: str) -> Transaction:
    """Read a transaction in base64. Raises `TransactionUnreadable`."""
    try:
        content = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (ValueError, binascii.Error) as error:
        raise TransactionUnreadable(f"it is not base64: {error}") from error
    if len(content) > _BYTES_MAX:
        raise TransactionUnreadable(f"it has more than {_BYTES_MAX} bytes")
    whole = _Reader(content)
    signatures = whole.items(_SIGNATURE_BYTES)
    message = whole.rest()
    reader = _Reader(message)
    first = reader.number()
    is_versioned = first >= _VERSIONED
    if is_versioned and first != _VERSIONED:
        raise TransactionUnreadable(f"its version is {first - _VERSIONED}, not 0")
    signers = reader.number() if is_versioned else first
    reader.take(2)
    accounts = reader.items(_KEY_BYTES)
    if not 0 < signers == len(signatures) <= len(accounts):
        raise TransactionUnreadable("its signatures do not fit its accounts")
    blockhash = encode_base58(reader.take(_KEY_BYTES))
    instructions = [_read_instruction(reader, accounts) for _ in range(reader.length())]
    if is_versioned:
        for _ in range(reader.length()):
            reader.take(_KEY_BYTES)
            reader.items(1)
            reader.items(1)
    if reader.rest():
        raise TransactionUnreadable("something follows its message")
    return Transaction(signatures, message, accounts, blockhash, instructions)


def _read_instruction(reader: _Reader, accounts: Sequence[bytes]) -> Instruction:
    program = reader.number()
    if program >= len(accounts):
        raise TransactionUnreadable("a program is none of its accounts")
    indices, data = reader.take(reader.length()), reader.take(reader.length())
    return Instruction(accounts[program], indices, data)


class _Reader:
    """Reads bytes from the beginning; every method raises `TransactionUnreadable` at the end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._content):
            raise TransactionUnreadable("it ends too early")
        taken = self._content[self._at : end]
        self._at = end
        return taken

    def number(self) -> int:
        return self.take(1)[0]

    def length(self) -> int:
        """Read a number of one or two bytes with seven bits each, which is enough for a packet."""
        first = self.number()
        if first < _CONTINUED:
            return first
        second = self.number()
        if not 0 < second < _CONTINUED:
            raise TransactionUnreadable("a length is not in its shortest form, or too large")
        return first - _CONTINUED + (second << 7)

    def items(self, size: int) -> Sequence[bytes]:
        return [self.take(size) for _ in range(self.length())]

    def rest(self) -> bytes:
        return self.take(len(self._content) - self._at)
