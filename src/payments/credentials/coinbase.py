"""Coinbase's scheme: a token for each request, signed with an API key.

Source: `generateJwt` of npm `@coinbase/cdp-sdk` 1.57.0. The token is a JWT (RFC 7519) for one
method, host and path. Its header has `alg`, `kid`, `typ` and a random `nonce`; its claims are
`sub`, `iss`, `uris`, `iat`, `nbf` and `exp`. It is valid for 120 s, here from 30 s ago, so that
the clocks need not agree.
"""

from __future__ import annotations

import binascii
import json
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import urlsplit

from core.errors import ConfigurationError, KeyUnusable
from core.ports import Clock, Fetched, OutgoingEnvironment, SigningAlgorithm
from payments.credentials import CoinbaseKey

_VALID_SECONDS = 120
_BACKDATED_SECONDS = 30
_SKEW_MS_MIN = 5_000
"""A smaller difference of the clocks is not why a token was rejected."""

_SKEW_MS_MAX = 3_600_000
"""A larger one is not believed: the token would be valid too far in the future."""

# Compiled when it is first used.
_PEM = r"-----BEGIN ((?:EC )?)PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END \1PRIVATE KEY-----"

_P256 = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
"""The AlgorithmIdentifier of a key on the curve P-256 (RFC 5480)."""

_ED25519 = bytes.fromhex("302e020100300506032b657004220420")
"""PKCS #8 of an Ed25519 key, up to its 32 bytes (RFC 8410)."""

_KEY_FORM = (
    "It must be the secret of a Coinbase API key: a private key of the curve P-256 as PEM, or 64"
    " bytes of Ed25519 in base64."
)


class CoinbaseFetcher:
    """Sends requests to one facilitator, each with its own token.

    A token that is rejected while the clocks differ is made again once, by the facilitator's
    clock. The difference is kept, so that later requests need no second try.
    """

    __slots__ = ("_ahead_ms", "_clock", "_environment", "_key")

    def __init__(self, environment: OutgoingEnvironment, clock: Clock, key: CoinbaseKey) -> None:
        """Take the facilitator's key."""
        self._environment = environment
        self._clock = clock
        self._key = key
        # How far the facilitator's clock is ahead of ours, as its last rejection showed.
        self._ahead_ms = 0

    async def fetch(
        self,
        url: str,
        *,
        method: str,
        headers: Mapping[str, str],
        body: str | None,
        timeout_ms: int,
        body_bytes_max: int,
    ) -> Fetched:
        """Send a request; see `ports.Fetcher`. The timeout includes the second try.

        Raises `ConfigurationError` if the key is missing or unusable.
        """
        deadline_ms = self._clock.now_ms() + timeout_ms
        fetched = await self._send(url, method, headers, body, timeout_ms, body_bytes_max)
        if not self._set_clock(fetched):
            return fetched
        left_ms = deadline_ms - self._clock.now_ms()
        if left_ms <= 0:
            return fetched
        return await self._send(url, method, headers, body, left_ms, body_bytes_max)

    async def _send(
        self,
        url: str,
        method: str,
        headers: Mapping[str, str],
        body: str | None,
        timeout_ms: int,
        body_bytes_max: int,
    ) -> Fetched:
        return await self._environment.fetcher.fetch(
            url,
            method=method,
            headers={**headers, "authorization": f"Bearer {await self._token(method, url)}"},
            body=body,
            timeout_ms=timeout_ms,
            body_bytes_max=body_bytes_max,
        )

    def _set_clock(self, fetched: Fetched) -> bool:
        """Take over the facilitator's clock if a token was rejected by another one."""
        now_ms = self._clock.now_ms()
        if fetched.status != HTTPStatus.UNAUTHORIZED or fetched.at_ms is None:
            return False
        ahead_ms = fetched.at_ms - now_ms
        is_other = abs(ahead_ms - self._ahead_ms) > _SKEW_MS_MIN
        if is_other and abs(ahead_ms) <= _SKEW_MS_MAX:
            self._ahead_ms = ahead_ms
            return True
        return False

    async def _token(self, method: str, url: str) -> str:
        id_setting, setting = self._key
        try:
            algorithm, key = _read_key(self._setting(setting))
            key_id = self._setting(id_setting)
            header = {
                "alg": algorithm,
                "kid": key_id,
                "typ": "JWT",
                "nonce": os.urandom(16).hex(),
            }
            from_seconds = (self._clock.now_ms() + self._ahead_ms) // 1000 - _BACKDATED_SECONDS
            claims = {
                "sub": key_id,
                "iss": "cdp",
                "uris": [f"{method} {_host_and_path(url)}"],
                "iat": from_seconds,
                "nbf": from_seconds,
                "exp": from_seconds + _VALID_SECONDS,
            }
            text = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
            signature = await self._environment.signer.sign(algorithm, key, text)
        except KeyUnusable as error:
            raise ConfigurationError(setting, _KEY_FORM) from error
        return f"{text}.{_url_safe(signature)}"

    def _setting(self, name: str) -> str:
        value = (self._environment.setting(name) or "").strip()
        if not value:
            raise ConfigurationError(name, "It is part of a facilitator's Coinbase API key.")
        return value


@lru_cache(maxsize=4)
def _read_key(secret: str) -> tuple[SigningAlgorithm, str]:
    """Return the algorithm of a key, and the key as PKCS #8 in base64.

    Raises `KeyUnusable`.
    """
    # Copied from JSON, a PEM has the characters \ and n in place of its line breaks.
    pem = re.search(_PEM, secret.replace("\\n", "\n"), re.ASCII)
    try:
        if pem is None:
            raw = binascii.a2b_base64(secret, strict_mode=True)
            if len(raw) != 64:
                raise KeyUnusable("it is neither a PEM nor 64 bytes in base64")
            # The last 32 bytes are the public key.
            return "EdDSA", _base64(_ED25519 + raw[:32])
        raw = binascii.a2b_base64("".join(pem[2].split()), strict_mode=True)
        if pem[1]:
            # SEC 1 (RFC 5915), which WebCrypto does not read, is the inner part of PKCS #8.
            raw = _der(0x30, b"\x02\x01\x00" + _P256 + _der(0x04, raw))
    except ValueError as error:
        raise KeyUnusable("it is not base64") from error
    return "ES256", _base64(raw)


def _der(tag: int, content: bytes) -> bytes:
    """Encode a value of at most 255 bytes. Raises `ValueError` if it is longer."""
    size = bytes([len(content)])
    return bytes([tag]) + (size if len(content) < 128 else b"\x81" + size) + content


def _host_and_path(url: str) -> str:
    """Return what a request's `Host` and path are; the port only if it is not the usual one."""
    parts = urlsplit(url)
    usual = ":443" if parts.scheme == "https" else ":80"
    return parts.netloc.lower().removesuffix(usual) + parts.path


def _base64(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).decode("ascii")


def _encoded(raw: bytes) -> str:
    return _url_safe(_base64(raw))


def _url_safe(text: str) -> str:
    return text.replace("+", "-").replace("/", "_").rstrip("=")
