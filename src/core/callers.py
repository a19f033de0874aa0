"""Identifies callers and their networks, and hashes both with the deployment's secret.

Only the hashes are stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from core import constants
from core.errors import ConfigurationError
from core.ports import Environment

SECRET_SETTING = "CALLER_HASH_SECRET"  # noqa: S105

_IDENTITY_HEADERS = (
    ("x-api-key", "key"),
    ("authorization", "key"),
    ("x-agent-id", "agent"),
    ("x-caller-id", "agent"),
    ("cf-connecting-ip", "ip"),
)
"""Headers that identify a caller, the most reliable first, and the kind of identity."""

_IPV6_GROUPS = 8
_NETWORK_GROUPS = 3
_NETWORKS_MAX = 4_096
"""Addresses whose networks' hashes an isolate keeps, about 0.5 MB."""


@dataclass(slots=True)
class CallerHasher:
    """Hashes callers and their networks with the deployment's secret."""

    environment: Environment
    _key: bytes = b""
    _networks: dict[str, str] = field(default_factory=dict)
    """The hashes of networks by address, because one caller usually sends several requests."""

    def hash(self, identity: str) -> str:
        """Hash an identity to 16 hexadecimal digits. Raises `ConfigurationError`."""
        if not self._key:
            secret = self.environment.setting(SECRET_SETTING)
            if secret is None:
                raise ConfigurationError(
                    SECRET_SETTING,
                    f"Set it to a long random text (`wrangler secret put {SECRET_SETTING}`):"
                    " it is the key of the hash that identifies callers.",
                )
            self._key = hashlib.sha256(secret.encode()).digest()
        return hashlib.blake2b(identity.encode(), key=self._key, digest_size=8).hexdigest()

    def hash_network(self, address: str | None) -> str:
        """Hash the network of an IP address; empty if there is none.

        Raises `ConfigurationError`.
        """
        if not address:
            return ""
        found = self._networks.get(address)
        if found is None:
            if len(self._networks) >= _NETWORKS_MAX:
                self._networks.clear()
            address = address[: constants.IDENTITY_LENGTH_MAX]
            found = self._networks[address] = self.hash(f"network:{network_of(address)}")
        return found


def network_of(address: str) -> str:
    """Return the first 24 bits of an IPv4 address, or the first 48 of an IPv6 address.

    The module `ipaddress` costs several milliseconds of an isolate's start. Text that is no
    address is its own network.
    """
    if ":" not in address:
        return address.rpartition(".")[0] or address
    if "." in address:
        # An IPv4 address in an IPv6 address, as in `::ffff:192.0.2.1`.
        return network_of(address.rpartition(":")[2])
    head, _, tail = address.lower().partition("::")
    groups = head.split(":") if head else []
    after = tail.split(":") if tail else []
    groups += ["0"] * (_IPV6_GROUPS - len(groups) - len(after)) + after
    return ":".join(group.lstrip("0") or "0" for group in groups[:_NETWORK_GROUPS])


def caller_identity(headers: Mapping[str, str]) -> str:
    """Identify the caller by the most reliable header present.

    `headers` are by lower-case name. Returns `KIND:VALUE`: with the kind, an API key and an
    agent of the same name remain two callers.
    """
    for name, kind in _IDENTITY_HEADERS:
        value = headers.get(name)
        if value and name == "authorization":
            scheme, _, credentials = value.partition(" ")
            value = credentials.strip() if scheme.lower() == "bearer" else None
        if value:
            return f"{kind}:{value[: constants.IDENTITY_LENGTH_MAX]}"
    return "unknown:"


def payer_identity(address: str) -> str:
    """Identify the caller by the address that paid, from a verified payment."""
    return f"payer:{address.lower()}"
