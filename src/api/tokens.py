"""The tokens that open the platform API, as the deployment's settings name them.

Owns reading both settings and everything that can be wrong with them. A token
that cannot be read opens nothing and is named; the others keep working. What is
said of a mistake never repeats a value, which may be a token in the wrong place.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv6Address
from typing import NamedTuple, TypeGuard

from core import constants
from core.ports import Environment, Json
from core.safe_json import read_json

_WINDOW_MS = constants.AUTH_WINDOW_SECONDS * 1000


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
class FailedAttempts:
    """Wrong tokens in windows of a minute, by caller and of all callers."""

    _by_caller: OrderedDict[str, _Count] = field(default_factory=OrderedDict)
    _all: _Count = field(default_factory=lambda: _Count(0))

    def seconds_to_wait(self, caller: str, now_ms: int) -> int:
        """Tell for how many seconds no token of `caller` is looked at; 0 when it is at once."""
        count = self._by_caller.get(caller)
        if count is None or now_ms >= count.ends_ms:
            return 0
        is_rush = (
            now_ms < self._all.ends_ms and self._all.failures >= constants.AUTH_FAILURES_ALL_MAX
        )
        allowed = 1 if is_rush else constants.AUTH_FAILURES_MAX
        if count.failures < allowed:
            return 0
        return -((now_ms - count.ends_ms) // 1000)

    def note(self, caller: str, now_ms: int) -> None:
        """Count a wrong token of `caller`."""
        count = self._by_caller.get(caller)
        if count is None or now_ms >= count.ends_ms:
            count = self._by_caller[caller] = _Count(now_ms + _WINDOW_MS)
            # Forgetting the oldest gives somebody more tries, and locks nobody out.
            if len(self._by_caller) > constants.AUTH_CALLERS_MAX:
                self._by_caller.popitem(last=False)
        self._by_caller.move_to_end(caller)
        count.failures += 1
        if now_ms >= self._all.ends_ms:
            self._all = _Count(now_ms + _WINDOW_MS)
        self._all.failures += 1

    def bar(self, caller: str, now_ms: int) -> None:
        """Look at no more tokens of `caller` in this window, whatever was counted here."""
        self.note(caller, now_ms)
        self._by_caller[caller].failures = constants.AUTH_FAILURES_MAX


TOKEN_SETTING = "PLATFORM_ANALYTICS_TOKEN"  # noqa: S105
TOKENS_SETTING = "PLATFORM_TOKENS"
ANALYTICS_READ = "analytics:read"
EVENTS_READ = "events:read"
ADMIN = "admin"
SCOPES = (ANALYTICS_READ, EVENTS_READ, ADMIN)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FIELDS = frozenset(("name", "scopes", "sha256", "notAfter"))


@dataclass(frozen=True, slots=True)
class AccessToken:
    """One token: its name, what it opens, its SHA-256, and its last millisecond (since 1970)."""

    name: str
    scopes: frozenset[str]
    digest: bytes
    not_after_ms: int | None = None
    is_listed: bool = True
    """Whether it stands in `PLATFORM_TOKENS`, where only long tokens count."""

    def has_expired(self, now_ms: int) -> bool:
        """Tell whether its time has passed."""
        return self.not_after_ms is not None and now_ms > self.not_after_ms

    def opens(self, scope: str) -> bool:
        """Tell whether it opens routes that need `scope`; `admin` opens all."""
        return scope in self.scopes or ADMIN in self.scopes


class Tokens(NamedTuple):
    """What the settings come to.

    `mistakes` are sentences, each about what opens nothing; `weaknesses` are
    about tokens that work but should be changed.
    """

    usable: Sequence[AccessToken]
    mistakes: Sequence[str]
    weaknesses: Sequence[str]


class _Refused(Exception):
    """An entry cannot be used; the sentence says why."""


def digest(token: str) -> bytes:
    """Hash a token; tokens are compared by this, so that time tells nothing about their length."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


def read_tokens(environment: Environment) -> Tokens:
    """Read both settings."""
    usable: list[AccessToken] = []
    mistakes: list[str] = []
    weaknesses: list[str] = []
    single = environment.setting(TOKEN_SETTING)
    if single is not None:
        usable.append(
            AccessToken(TOKEN_SETTING, frozenset((ADMIN,)), digest(single), is_listed=False)
        )
        if single != single.strip():
            mistakes.append(
                f"{TOKEN_SETTING} begins or ends with white space, which no header can carry."
            )
        if len(single) < constants.TOKEN_LENGTH_MIN:
            weaknesses.append(
                f"{TOKEN_SETTING} is shorter than {constants.TOKEN_LENGTH_MIN} characters, and"
                " opens everything. Set it to a long random text: `openssl rand -hex 32`."
            )
    text = environment.setting(TOKENS_SETTING)
    for place, entry in enumerate(_entries(text, mistakes) if text is not None else ()):
        label = f"{TOKENS_SETTING}[{place}]"
        name = entry.get("name") if isinstance(entry, dict) else None
        if _is_name(name):
            label += f" ({name})"
        try:
            usable.append(_read_entry(entry, usable))
        except _Refused as reason:
            mistakes.append(f"{label} opens nothing: {reason}.")
    return Tokens(usable, mistakes, weaknesses)


def _entries(text: str, mistakes: list[str]) -> Sequence[Json]:
    try:
        entries = read_json(text) if len(text) <= constants.TOKENS_LENGTH_MAX else None
    except ValueError:
        # Its message would repeat a piece of the text.
        entries = None
    if isinstance(entries, list) and len(entries) <= constants.TOKENS_MAX:
        return entries
    mistakes.append(
        f"{TOKENS_SETTING} opens nothing: it must be a JSON list of at most {constants.TOKENS_MAX}"
        f" tokens and {constants.TOKENS_LENGTH_MAX} characters. See docs/security.md."
    )
    return ()


def _read_entry(entry: Json, earlier: Sequence[AccessToken]) -> AccessToken:
    if not isinstance(entry, dict):
        raise _Refused("it must be an object")
    # A misspelt `notAfter` would leave a token valid for ever.
    if not _FIELDS.issuperset(entry):
        raise _Refused(f"its fields may be {', '.join(sorted(_FIELDS))} and no others")
    name = entry.get("name")
    if not _is_name(name):
        raise _Refused("name must be 1 to 64 letters, digits, ., _ or -")
    if any(token.name == name for token in earlier):
        raise _Refused("another token has the same name")
    token = AccessToken(name, _scopes(entry), _digest_of(entry), _not_after_ms(entry))
    if any(token.digest == other.digest for other in earlier):
        raise _Refused("another entry or setting has the same token")
    return token


def _is_name(value: Json) -> TypeGuard[str]:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _scopes(entry: Mapping[str, Json]) -> frozenset[str]:
    scopes = entry.get("scopes")
    if not isinstance(scopes, list) or not scopes or any(one not in SCOPES for one in scopes):
        raise _Refused(f"scopes must be a list of one or more of {', '.join(SCOPES)}")
    return frozenset(scopes)


def _digest_of(entry: Mapping[str, Json]) -> bytes:
    text = entry.get("sha256")
    text = text.lower() if isinstance(text, str) else ""
    if not _SHA256.fullmatch(text):
        raise _Refused("sha256 must be the SHA-256 of the token, as 64 hexadecimal digits")
    if bytes.fromhex(text) == digest(""):
        raise _Refused("sha256 is that of an empty token")
    return bytes.fromhex(text)


def _not_after_ms(entry: Mapping[str, Json]) -> int | None:
    if "notAfter" not in entry:
        return None
    text = entry["notAfter"]
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not constants.FIRST_YEAR <= at.year < constants.LAST_YEAR:
        raise _Refused("notAfter must be a time with a zone, such as 2026-12-31T00:00Z")
    return int(at.timestamp() * 1000)
