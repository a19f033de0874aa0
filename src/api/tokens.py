"""Tokens of the platform API, read from `PLATFORM_ANALYTICS_TOKEN` and `PLATFORM_TOKENS`.

An entry that cannot be used is ignored and reported; the others keep working. Reports
never quote a value, which may be a token in the wrong place.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeGuard

from core import constants
from core.ports import Environment, Json
from core.safe_json import read_json

TOKEN_SETTING = "PLATFORM_ANALYTICS_TOKEN"  # noqa: S105
TOKENS_SETTING = "PLATFORM_TOKENS"
ANALYTICS_READ = "analytics:read"
EVENTS_READ = "events:read"
EVENTS_WRITE = "events:write"
ADMIN = "admin"
SCOPES = (ANALYTICS_READ, EVENTS_READ, EVENTS_WRITE, ADMIN)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FIELDS = frozenset(("name", "scopes", "sha256", "notAfter", "tenants"))
_STORED_FIELDS = frozenset(("name", "scopes", "notAfter", "tenants", "createdAt"))
TENANT_SCOPES = (ANALYTICS_READ, EVENTS_READ)
"""The scopes of a token that is limited to certain tenants."""

STORED_PREFIX = "clawr_"
"""How a token in `TENANT_KV` starts, so that nothing else is looked for there."""

TENANTS_MAX = 50
"""Tenants of a token."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """One token; `digest` is its SHA-256, `not_after_ms` its last valid millisecond since 1970.

    `tenants` has the ids of the tenants that it may see, by exact comparison; None for all. An
    empty one sees nothing.
    """

    name: str
    scopes: frozenset[str]
    digest: bytes
    not_after_ms: int | None = None
    is_listed: bool = True
    """Whether it is from `PLATFORM_TOKENS`, where only tokens of `TOKEN_LENGTH_MIN` count."""
    tenants: frozenset[str] | None = None

    def has_expired(self, now_ms: int) -> bool:
        """Return whether the token is no longer valid at `now_ms`."""
        return self.not_after_ms is not None and now_ms > self.not_after_ms

    def allows(self, scope: str) -> bool:
        """Return whether the token has `scope`; `admin` includes every scope."""
        return scope in self.scopes or ADMIN in self.scopes


class Tokens(NamedTuple):
    """The tokens of both settings, and sentences about what should be changed.

    `problems` are about values that are ignored or cannot be sent, `weaknesses` about
    tokens that work.
    """

    usable: Sequence[AccessToken]
    problems: Sequence[str]
    weaknesses: Sequence[str]


class _InvalidEntry(Exception):
    """An entry of `PLATFORM_TOKENS` cannot be used; the message says why, without a final dot."""


def digest(token: str) -> bytes:
    """Hash a token. Comparing digests takes the same time for tokens of any length."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


def read_tokens(environment: Environment) -> Tokens:
    """Read the tokens of both settings."""
    usable: list[AccessToken] = []
    problems: list[str] = []
    weaknesses: list[str] = []
    single = environment.setting(TOKEN_SETTING)
    if single is not None:
        usable.append(
            AccessToken(TOKEN_SETTING, frozenset((ADMIN,)), digest(single), is_listed=False)
        )
        if single != single.strip():
            problems.append(
                f"{TOKEN_SETTING} begins or ends with white space, which a header cannot contain."
            )
        if len(single) < constants.TOKEN_LENGTH_MIN:
            weaknesses.append(
                f"{TOKEN_SETTING} is shorter than {constants.TOKEN_LENGTH_MIN} characters, and"
                " allows everything. Set it to a long random text: `openssl rand -hex 32`."
            )
    text = environment.setting(TOKENS_SETTING)
    for index, entry in enumerate(_entries(text, problems) if text is not None else ()):
        label = f"{TOKENS_SETTING}[{index}]"
        name = entry.get("name") if isinstance(entry, dict) else None
        if _is_name(name):
            label += f" ({name})"
        try:
            usable.append(_read_entry(entry, usable))
        except _InvalidEntry as error:
            problems.append(f"{label} is ignored: {error}.")
    return Tokens(usable, problems, weaknesses)


def _entries(text: str, problems: list[str]) -> Sequence[Json]:
    try:
        entries = read_json(text) if len(text) <= constants.TOKENS_LENGTH_MAX else None
    except ValueError:
        # The error is not reported: it quotes a part of the text.
        entries = None
    if isinstance(entries, list) and len(entries) <= constants.TOKENS_MAX:
        return entries
    problems.append(
        f"{TOKENS_SETTING} is ignored: it must be a JSON list of at most {constants.TOKENS_MAX}"
        f" tokens and {constants.TOKENS_LENGTH_MAX} characters. See docs/security.md."
    )
    return ()


def _read_entry(entry: Json, earlier: Sequence[AccessToken]) -> AccessToken:
    if not isinstance(entry, dict):
        raise _InvalidEntry("it must be an object")
    # Otherwise a token with a misspelt `notAfter` would never expire.
    if not _FIELDS.issuperset(entry):
        raise _InvalidEntry(f"its only fields may be {', '.join(sorted(_FIELDS))}")
    name = entry.get("name")
    if not _is_name(name):
        raise _InvalidEntry("name must be 1 to 64 letters, digits, ., _ or -")
    if any(token.name == name for token in earlier):
        raise _InvalidEntry("another token has the same name")
    tenants, scopes = _tenants_of(entry), _scopes_of(entry)
    if tenants is not None and not scopes.issubset(TENANT_SCOPES):
        raise _InvalidEntry(
            f"with tenants, its scopes may only be {' and '.join(TENANT_SCOPES)}, because other"
            " routes concern all tenants"
        )
    token = AccessToken(name, scopes, _digest_of(entry), _not_after_ms_of(entry), tenants=tenants)
    if any(token.digest == other.digest for other in earlier):
        raise _InvalidEntry(f"another entry, or {TOKEN_SETTING}, has the same token")
    return token


def stored_token(text: str, own_digest: bytes) -> AccessToken | None:
    """Return a token of `TENANT_KV` that has this SHA-256; None if the value is unusable."""
    try:
        entry = read_json(text)
        if not isinstance(entry, dict) or not _STORED_FIELDS.issuperset(entry):
            return None
        if "tenants" not in entry:
            return None
        fields = {name: value for name, value in entry.items() if name != "createdAt"}
        return _read_entry({**fields, "sha256": own_digest.hex()}, ())
    except (ValueError, _InvalidEntry):
        return None


def _is_name(value: Json) -> TypeGuard[str]:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _scopes_of(entry: Mapping[str, Json]) -> frozenset[str]:
    scopes = entry.get("scopes")
    if not isinstance(scopes, list) or not scopes or any(scope not in SCOPES for scope in scopes):
        raise _InvalidEntry(f"scopes must be a list of one or more of {', '.join(SCOPES)}")
    return frozenset(scopes)


def _tenants_of(entry: Mapping[str, Json]) -> frozenset[str] | None:
    if "tenants" not in entry:
        return None
    tenants = entry["tenants"]
    if (
        not isinstance(tenants, list)
        or len(tenants) > TENANTS_MAX
        or not all(
            isinstance(tenant, str) and 1 <= len(tenant) <= constants.TEXT_LENGTH_MAX
            for tenant in tenants
        )
    ):
        raise _InvalidEntry(f"tenants must be a list of at most {TENANTS_MAX} ids of tenants")
    return frozenset(tenants)


def _digest_of(entry: Mapping[str, Json]) -> bytes:
    text = entry.get("sha256")
    text = text.lower() if isinstance(text, str) else ""
    if not _SHA256.fullmatch(text):
        raise _InvalidEntry("sha256 must be the SHA-256 of the token, as 64 hexadecimal digits")
    if bytes.fromhex(text) == digest(""):
        raise _InvalidEntry("sha256 is the digest of an empty token")
    return bytes.fromhex(text)


def _not_after_ms_of(entry: Mapping[str, Json]) -> int | None:
    if "notAfter" not in entry:
        return None
    text = entry["notAfter"]
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not constants.FIRST_YEAR <= at.year < constants.LAST_YEAR:
        raise _InvalidEntry("notAfter must be a time with a zone, such as 2026-12-31T00:00Z")
    return int(at.timestamp() * 1000)
