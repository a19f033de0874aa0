"""Checks the URL to wrap: only public HTTP addresses are allowed.

The script applies the same rules to every redirect (`templates/wrap/target.js`).
"""

import ipaddress
import re
import socket
import unicodedata
from typing import Final
from urllib.parse import urlsplit

PRIVATE_ENDINGS: Final = (
    "localhost",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "localdomain",
    "home.arpa",
    "test",
    "onion",
    "invalid",
)
"""Domains that public resolvers do not have, or that mean this machine or network."""

_REFUSED_V4 = tuple(
    ipaddress.IPv4Network(one)
    for one in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
"""https://www.iana.org/assignments/iana-ipv4-special-registry/"""

_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    ipaddress.IPv6Network(one) for one in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
"""Within 2000::/3: protocol assignments, documentation, and 6to4, which embeds IPv4 addresses."""

_INVALID = re.compile(r"[\x00-\x20\x7f\\]")


def why_refused(url: str, *, allow_private: bool = False) -> str | None:
    """Return why a URL cannot be wrapped, or `None`.

    Host names are not resolved, because their addresses can change at any time.

    Args:
        url: The URL.
        allow_private: Whether private addresses are allowed.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"not a valid URL ({error})"
    rules = (
        (parts.scheme in ("http", "https"), "the URL must start with http:// or https://"),
        (parts.hostname and not _INVALID.search(url), "not a valid URL"),
        ("@" not in parts.netloc, "the URL contains credentials; use --secret-header"),
        ("#" not in url, "the URL has a fragment (#), which is never sent; remove it"),
        (allow_private or _is_http_port(port), f"port {port} is not allowed for HTTP"),
        (allow_private or _is_public(parts.hostname or ""), "not on the public internet"),
    )
    return next((reason for holds, reason in rules if not holds), None)


def _is_http_port(port: int | None) -> bool:
    return port is None or port in (80, 443) or port >= 1024


def _is_public(host: str) -> bool:
    if ":" in host:
        return _is_public_v6(host)
    # Browsers and Workers normalize hosts: other Unicode digits and dots count as ASCII.
    name = unicodedata.normalize("NFKC", host).replace("\u3002", ".").lower().removesuffix(".")
    last = name.rsplit(".", 1)[-1]
    if last.isdigit() or last.startswith("0x"):
        # One to four decimal, octal or hexadecimal parts are an IPv4 address.
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(name))
        except OSError:
            return False
        return not any(address in one for one in _REFUSED_V4)
    if "%" in name or "." not in name:
        return False
    return not any(name == one or name.endswith(f".{one}") for one in PRIVATE_ENDINGS)


def _is_public_v6(host: str) -> bool:
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return address in _GLOBAL_V6 and not any(address in one for one in _REFUSED_V6)
