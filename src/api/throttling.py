"""Counts wrong tokens by caller, so that an isolate can stop comparing a caller's tokens."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass, field

from core import constants

_WINDOW_MS = constants.AUTH_WINDOW_SECONDS * 1000
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_HEXTET = re.compile("[0-9A-Fa-f]{1,4}")
_HEXTETS = 8
_NETWORK_HEXTETS = 4


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

    All addresses of an IPv6 /64 have the same key, because one subscriber has them all.
    Text that is no address is hashed as it is.
    """
    text = _ipv6_network(address) or address
    return hashlib.blake2b(text.encode(errors="replace"), key=secret, digest_size=16).hexdigest()


def _ipv6_network(address: str) -> str | None:
    """Return the first 64 bits of an IPv6 address as 16 hexadecimal digits; None for other text.

    By hand, as importing `ipaddress` takes 34 ms in Pyodide. Spellings: RFC 4291 section 2.2,
    and zones (RFC 4007 section 11).
    """
    text, percent, zone = address.partition("%")
    if "/" in address or (percent and not zone) or "%" in zone:
        return None
    # An IPv4 address at the end is the last 32 bits, which the network does not include.
    start, _, last = text.rpartition(":")
    if "." in last:
        if _IPV4.fullmatch(last) is None:
            return None
        text = start + ":0:0"
    head, gap, tail = text.partition("::")
    before = head.split(":") if head else []
    after = tail.split(":") if tail else []
    missing = _HEXTETS - len(before) - len(after)
    if (missing < 1 if gap else missing != 0) or not all(map(_HEXTET.fullmatch, before + after)):
        return None
    hextets = [*before, *["0"] * missing, *after]
    return "".join(hextet.zfill(4).lower() for hextet in hextets[:_NETWORK_HEXTETS])
