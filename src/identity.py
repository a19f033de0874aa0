"""Who calls, as well as a request shows, and the keyed hash under which that is stored.

Owns what callers are told apart by. Refuses to keep any of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import limits
from errors import ConfigurationError
from ports import Environment

SECRET_SETTING = "CALLER_HASH_SECRET"  # noqa: S105

_SIGNS = (
    ("x-api-key", "key"),
    ("authorization", "key"),
    ("x-agent-id", "agent"),
    ("x-caller-id", "agent"),
    ("cf-connecting-ip", "ip"),
)
"""The headers that tell callers apart, the surest first, and the kind of what each says."""


def caller_identity(headers: Mapping[str, str]) -> str:
    """Tell who calls, as well as the request's headers (by lower-case name) can.

    The kind stands before the value, so that an API key and an agent's name
    that happen to be alike stay two callers.
    """
    for name, kind in _SIGNS:
        value = headers.get(name)
        if value and name == "authorization":
            scheme, _, credentials = value.partition(" ")
            value = credentials.strip() if scheme.lower() == "bearer" else None
        if value:
            return f"{kind}:{value[: limits.IDENTITY_LENGTH_MAX]}"
    return "unknown:"


def payer_identity(address: str) -> str:
    """Tell who calls by the address that a verified payment is from."""
    return f"payer:{address.lower()}"


@dataclass(slots=True)
class CallerHash:
    """Hashes callers under the deployment's secret."""

    environment: Environment
    _key: bytes = b""

    def of(self, identity: str) -> str:
        """Hash an identity to 16 hexadecimal digits. Raises `ConfigurationError`."""
        if not self._key:
            secret = self.environment.setting(SECRET_SETTING)
            if secret is None:
                raise ConfigurationError(
                    SECRET_SETTING,
                    f"Set it to a long random text (`wrangler secret put {SECRET_SETTING}`):"
                    " callers are told apart by a hash under this key.",
                )
            self._key = hashlib.sha256(secret.encode()).digest()
        return hashlib.blake2b(identity.encode(), key=self._key, digest_size=8).hexdigest()
