"""Counts wrong tokens by caller, so that an isolate can stop comparing a caller's tokens.

A caller is rejected only after a wrong token of its own. Wrong tokens of others, however many,
only lower the number that it may send.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

from core import constants
from core.callers import subscriber_of

_WINDOW_MS = constants.AUTH_WINDOW_SECONDS * 1000


@dataclass(slots=True)
class _Window:
    ends_ms: int
    failures: int = 0


@dataclass(slots=True)
class FailedAttempts:
    """Wrong tokens in windows of `AUTH_WINDOW_SECONDS`, by caller and of all callers together."""

    _by_caller: OrderedDict[str, _Window] = field(default_factory=OrderedDict)
    _all: _Window = field(default_factory=lambda: _Window(0))

    def seconds_to_wait(self, caller: str, now_ms: int) -> int:
        """Return for how many seconds all tokens of `caller` are rejected; 0 if they are not."""
        window = self._by_caller.get(caller)
        if window is None or now_ms >= window.ends_ms:
            return 0
        is_flood = (
            now_ms < self._all.ends_ms and self._all.failures >= constants.AUTH_FAILURES_ALL_MAX
        )
        allowed = 1 if is_flood else constants.AUTH_FAILURES_MAX
        if window.failures < allowed:
            return 0
        return -((now_ms - window.ends_ms) // 1000)

    def add(self, caller: str, now_ms: int) -> None:
        """Count a wrong token of `caller`."""
        window = self._by_caller.get(caller)
        if window is None or now_ms >= window.ends_ms:
            window = self._by_caller[caller] = _Window(now_ms + _WINDOW_MS)
            # Evicting the oldest gives that caller more attempts, but blocks no one.
            if len(self._by_caller) > constants.AUTH_CALLERS_MAX:
                self._by_caller.popitem(last=False)
        self._by_caller.move_to_end(caller)
        window.failures += 1
        if now_ms >= self._all.ends_ms:
            self._all = _Window(now_ms + _WINDOW_MS)
        self._all.failures += 1

    def block(self, caller: str, now_ms: int) -> None:
        """Count a wrong token, and reject all tokens of `caller` until its window ends."""
        self.add(caller, now_ms)
        self._by_caller[caller].failures = constants.AUTH_FAILURES_MAX


def caller_key(address: str, secret: bytes) -> str:
    """Hash a caller's address with `secret` (at most 64 bytes), to 32 hexadecimal digits.

    All addresses of one subscriber have the same key (`subscriber_of`).
    """
    data = subscriber_of(address).encode(errors="replace")
    return hashlib.blake2b(data, key=secret, digest_size=16).hexdigest()
