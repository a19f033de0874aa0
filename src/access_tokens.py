"""The tokens that open the platform API, as the deployment's settings name them.

Owns reading both settings and everything that can be wrong with them. A token
that cannot be read opens nothing and is named; the others keep working. What is
said of a mistake never repeats a value, which may be a token in the wrong place.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeGuard

import limits
from documents import read_json
from ports import Environment, Json

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
        if len(single) < limits.TOKEN_LENGTH_MIN:
            weaknesses.append(
                f"{TOKEN_SETTING} is shorter than {limits.TOKEN_LENGTH_MIN} characters, and opens"
                " everything. Set it to a long random text: `openssl rand -hex 32`."
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
        entries = read_json(text) if len(text) <= limits.TOKENS_LENGTH_MAX else None
    except ValueError:
        # Its message would repeat a piece of the text.
        entries = None
    if isinstance(entries, list) and len(entries) <= limits.TOKENS_MAX:
        return entries
    mistakes.append(
        f"{TOKENS_SETTING} opens nothing: it must be a JSON list of at most {limits.TOKENS_MAX}"
        f" tokens and {limits.TOKENS_LENGTH_MAX} characters. See docs/security.md."
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
    if at is None or at.tzinfo is None or not limits.FIRST_YEAR <= at.year < limits.LAST_YEAR:
        raise _Refused("notAfter must be a time with a zone, such as 2026-12-31T00:00Z")
    return int(at.timestamp() * 1000)
