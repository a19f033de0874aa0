"""Identifies callers and their networks, and hashes both with the deployment's secret.

Totals, rate limits, throttling and imports all identify callers here. Only the hashes are stored.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# Costs nothing at the start of an isolate: `urllib.parse` imports it anyway.
from ipaddress import IPv6Address

from core import constants
from core.errors import ConfigurationError
from core.listed_settings import KEY_HEADERS
from core.ports import Environment, Json
from core.safe_json import read_json

SECRET_SETTING = "CALLER_HASH_SECRET"  # noqa: S105

_AUTHORIZATION = "authorization"
_AGENT_HEADERS = ("x-agent-id", "x-caller-id")
_ADDRESS_HEADER = "cf-connecting-ip"
_UNKNOWN = "unknown:"

_SCHEME = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+)[ \t]+(?=\S)")
"""The scheme of `Authorization` (RFC 9110 section 11.4)."""

_UNSIGNED_SCHEMES = ("bearer", "basic")
_SIGNING_SCHEMES = (
    "acs amx apiauth aws aws3 aws3-https concealed digest goog1 hawk mac obs oss qbox qiniu"
    " sharedaccesssignature sharedkey sharedkeylite signature ucloud upyun vapid"
)
"""Schemes that sign each request, besides those with "hmac" in their name."""

_ANONYMOUS_SCHEMES = (
    "hoba kerberos negotiate ntlm payment privatetoken scram-sha-1 scram-sha-256 wsse"
)
"""Schemes whose credentials are new in each request or connection and name no caller, or, in
WSSE, are the same for all."""

_SIGNATURE_NAMES = "hmac oauthsignature qsignature sig sign signature"
"""Parameters of schemes that sign each request, here and below without `-` and `_`."""

_SIGNER_NAMES = (
    "access accessid accesskey accesskeyid account accountid ak apikey apikeyid app appid appkey"
    " awsaccesskeyid client clientid clientkey clienttoken consumerkey credential id k key keyid"
    " keyname mchid merchantid oauthconsumerkey oauthtoken publickey publickeyid qak skn uid user"
    " userid username"
)
"""Parameters that name the caller in such schemes."""

_SCOPE_NAMES = "realm sr"
"""Parameters that say among whom that name is unique."""

_SIGNING, _ANONYMOUS, _SIGNATURES, _SIGNERS, _SCOPES = (
    frozenset(names.split())
    for names in (
        _SIGNING_SCHEMES,
        _ANONYMOUS_SCHEMES,
        _SIGNATURE_NAMES,
        _SIGNER_NAMES,
        _SCOPE_NAMES,
    )
)

# These are compiled when they are first needed: most callers sign nothing.
_PARAMETER = r"""(?<![\w.-])([\w.-]+)\*?\s*=\s*(?:"((?:[^"\\]|\\.)*+)|([^\s,;&"]*))"""
_SIGNER_AND_SIGNATURE = r"""(?:bce-auth-v\d+/([^/]+)/|([^\s:,;=&"]+):)\S+"""
_AWS_SCOPE = r"/\d{8}/.*"

_JSON_WEB_TOKEN = re.compile(r"([\w-]+)\.([\w-]+)\.[\w-]*", re.ASCII)
"""The compact form (RFC 7515 section 7.1)."""

_FROM_BASE64URL = str.maketrans("-_", "+/")
_IPV6_NETWORK_BYTES = 6
_IPV6_SUBSCRIBER_BYTES = 8
_ADDRESSES_MAX = 4_096
"""Addresses whose hashes an isolate keeps, about 1 MB."""


@dataclass(slots=True)
class CallerHasher:
    """Hashes callers and their networks with the deployment's secret."""

    environment: Environment
    _key: bytes = b""
    _key_headers: Sequence[str] = ()
    _addresses: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The hashes of an address and its network, because one caller usually sends several
    requests."""

    @property
    def key_headers(self) -> Sequence[str]:
        """The names of the headers that carry API keys, in lower case."""
        if not self._key_headers:
            self._key_headers = KEY_HEADERS.read(self.environment) or KEY_HEADERS.default
        return self._key_headers

    def identify(self, headers: Mapping[str, str]) -> tuple[str, str]:
        """Return the hashes of a request's caller and of its network, which is empty if unknown.

        `headers` are by lower-case name. The caller is identified by the most reliable header:
        an API key, else a name that it claims, else its address. Raises `ConfigurationError`.
        """
        address = headers.get(_ADDRESS_HEADER, "")
        of_address = self._addresses.get(address) or self._hash_address(address)
        identity = _claimed_identity(headers, self.key_headers)
        return (self.hash(identity), of_address[1]) if identity else of_address

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
        data = identity.encode(errors="replace")
        return hashlib.blake2b(data, key=self._key, digest_size=8).hexdigest()

    def hash_network(self, address: str) -> str:
        """Hash the network of an IP address; empty if there is none.

        Raises `ConfigurationError`.
        """
        return (self._addresses.get(address) or self._hash_address(address))[1]

    def _hash_address(self, address: str) -> tuple[str, str]:
        if not address:
            return self.hash(_UNKNOWN), ""
        if len(self._addresses) >= _ADDRESSES_MAX:
            self._addresses.clear()
        address = address[: constants.IDENTITY_LENGTH_MAX]
        caller = self.hash(address_identity(address))
        found = self._addresses[address] = caller, self.hash(f"network:{network_of(address)}")
        return found


def _claimed_identity(headers: Mapping[str, str], key_headers: Sequence[str]) -> str:
    """Return the identity by API key or claimed name; empty if a request has neither.

    With the kind, as in `KIND:VALUE`, a key and an agent of the same name remain two callers.
    """
    for name in key_headers:
        value = headers.get(name)
        if value:
            identity = key_identity(value, is_authorization=name == _AUTHORIZATION)
            if identity:
                return identity
    for name in _AGENT_HEADERS:
        value = headers.get(name)
        if value:
            return agent_identity(value)
    return ""


def key_identity(value: str, *, is_authorization: bool = False) -> str:
    """Identify the caller by an API key; empty if there is none in the header's value.

    A JSON Web Token is renewed every few minutes, so its issuer and subject identify its bearer.
    Like any other key, it is not verified.
    """
    key = value.strip()
    token = _JSON_WEB_TOKEN.fullmatch(key.rpartition(" ")[2])
    subject = _issuer_and_subject(token) if token else None
    if subject:
        return f"jwt:{len(subject[0])}:{''.join(subject)}"[: constants.IDENTITY_LENGTH_MAX]
    if is_authorization:
        found = _SCHEME.match(key)
        scheme = found[1].lower() if found else ""
        key = key[found.end() :] if found else key.removeprefix("Bearer").removeprefix("Basic")
        signer = None if scheme in _UNSIGNED_SCHEMES else _signer(scheme, key)
        if signer is not None:
            return f"signer:{scheme}:{signer}" if signer else ""
    return f"key:{key[: constants.IDENTITY_LENGTH_MAX]}" if key else ""


def _signer(scheme: str, credentials: str) -> str | None:
    """Return who signed a request, by the id of its key; empty if the credentials do not say.

    Return None if they sign nothing: then they are the same in each request. Of a scheme that is
    not known to sign, only a parameter with the signature tells.

    Args:
        scheme: In lower case; empty if there is none.
        credentials: What follows it.
    """
    if scheme in _ANONYMOUS:
        return ""
    credentials = credentials[: constants.IDENTITY_LENGTH_MAX]
    signs = scheme in _SIGNING or "hmac" in scheme
    if signs or credentials.startswith("bce-auth-"):
        pair = re.match(_SIGNER_AND_SIGNATURE, credentials)
        if pair:
            return pair[1] or pair[2]
    if not signs and "=" not in credentials:
        return None
    parameters = {
        name.lower().replace("-", "").replace("_", ""): quoted or plain
        for name, quoted, plain in re.findall(_PARAMETER, credentials)
        if quoted or plain
    }
    if not signs and _SIGNATURES.isdisjoint(parameters):
        return None
    names = _SIGNERS.intersection(parameters)
    if "credential" in names:
        parameters["credential"] = re.sub(_AWS_SCOPE, "", parameters["credential"])
    scopes = _SCOPES.intersection(parameters) if names else ()
    return ",".join(f"{name}={parameters[name]}" for name in sorted({*names, *scopes}))


def agent_identity(name: str) -> str:
    """Identify the caller by a name that it claims."""
    return f"agent:{name[: constants.IDENTITY_LENGTH_MAX]}"


def address_identity(address: str) -> str:
    """Identify the caller by its IP address."""
    return f"ip:{subscriber_of(address)}"


def payer_identity(address: str) -> str:
    """Identify the caller by the address that paid, from a verified payment."""
    return f"payer:{address.lower()}"


def subscriber_of(address: str) -> str:
    """Return an IPv4 address, or the /64 of an IPv6 address, of which one subscriber has all.

    All spellings have the same result. Text that is no address is returned as it is.
    """
    return _ipv6_part(address, _IPV6_SUBSCRIBER_BYTES) if ":" in address else address


def network_of(address: str) -> str:
    """Return the first 24 bits of an IPv4 address, or the first 48 of an IPv6 address.

    Text that is no address is its own network.
    """
    if ":" in address:
        address = _ipv6_part(address, _IPV6_NETWORK_BYTES)
    return address.rpartition(".")[0] or address


def _ipv6_part(address: str, length_bytes: int) -> str:
    """Return the first bytes of an IPv6 address, or the IPv4 address that it stands for."""
    try:
        found = IPv6Address(address)
    except ValueError:
        return address
    mapped = found.ipv4_mapped
    return found.packed[:length_bytes].hex(":", 2) if mapped is None else str(mapped)


def _issuer_and_subject(token: re.Match[str]) -> tuple[str, str] | None:
    """Return `iss`, empty if it is missing, and `sub` of a JSON Web Token.

    None if it is not a token with a subject (RFC 7519 section 4.1).
    """
    try:
        header, claims = (_decode_part(part) for part in token.groups())
    except ValueError:
        return None
    if not (isinstance(header, dict) and isinstance(claims, dict)):
        return None
    issuer, subject = claims.get("iss", ""), claims.get("sub")
    has_subject = isinstance(subject, str | int) and subject != ""
    return (issuer, str(subject)) if has_subject and isinstance(issuer, str) else None


def _decode_part(part: str) -> Json:
    padded = part.translate(_FROM_BASE64URL) + "=" * (-len(part) % 4)
    return read_json(binascii.a2b_base64(padded, strict_mode=True).decode())
