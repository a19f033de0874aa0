"""Counts wrong tokens by where they come from, so that nobody can try many.

Owns the counts of one isolate, in bounded memory. Whoever is refused is so by
failures of their own: all that others' failures can do is to make the next
failure of somebody count for more.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv6Address

import limits

_WINDOW_MS = limits.AUTH_WINDOW_SECONDS * 1000


def caller_key(address: str, secret: bytes) -> str:
    """Hash a caller's address under `secret`, to 32 hexadecimal digits.

    Who has one address of IPv6 has the 2^64 of its network, so that network counts.
    """
    if ":" in address:
        with suppress(ValueError):
            address = IPv6Address(address).packed[:8].hex()
    return hashlib.blake2b(address.encode(errors="replace"), key=secret, digest_size=16).hexdigest()


@dataclass(slots=True)
class _Count:
    ends_ms: int
    failures: int = 0


@dataclass(slots=True)
class Failures:
    """Wrong tokens in windows of a minute, by caller and of all callers."""

    _by_caller: OrderedDict[str, _Count] = field(default_factory=OrderedDict)
    _all: _Count = field(default_factory=lambda: _Count(0))

    def seconds_to_wait(self, caller: str, now_ms: int) -> int:
        """Tell for how many seconds no token of `caller` is looked at; 0 when it is at once."""
        count = self._by_caller.get(caller)
        if count is None or now_ms >= count.ends_ms:
            return 0
        is_rush = now_ms < self._all.ends_ms and self._all.failures >= limits.AUTH_FAILURES_ALL_MAX
        allowed = 1 if is_rush else limits.AUTH_FAILURES_MAX
        if count.failures < allowed:
            return 0
        return -((now_ms - count.ends_ms) // 1000)

    def note(self, caller: str, now_ms: int) -> None:
        """Count a wrong token of `caller`."""
        count = self._by_caller.get(caller)
        if count is None or now_ms >= count.ends_ms:
            count = self._by_caller[caller] = _Count(now_ms + _WINDOW_MS)
            # Forgetting the oldest gives somebody more tries, and locks nobody out.
            if len(self._by_caller) > limits.AUTH_CALLERS_MAX:
                self._by_caller.popitem(last=False)
        self._by_caller.move_to_end(caller)
        count.failures += 1
        if now_ms >= self._all.ends_ms:
            self._all = _Count(now_ms + _WINDOW_MS)
        self._all.failures += 1

    def bar(self, caller: str, now_ms: int) -> None:
        """Look at no more tokens of `caller` in this window, whatever was counted here."""
        self.note(caller, now_ms)
        self._by_caller[caller].failures = limits.AUTH_FAILURES_MAX
