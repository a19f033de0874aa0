"""Which addresses may be wrapped: those of the public internet, over HTTP.

The script looks again, at every redirect, by the same rules (`templates/wrap/target.js`).
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
"""Names that no public resolver knows, or that mean this machine or network."""

_UNREADABLE = re.compile(r"[\x00-\x20\x7f\\]")


def why_refused(url: str, *, allow_private: bool = False) -> str | None:
    """Return why an address cannot be wrapped, or `None`.

    A name is not resolved: what it leads to may change at any time.

    Args:
        url: The address.
        allow_private: Whether private ones may be wrapped, too.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"it is no address ({error})"
    rules = (
        (parts.scheme in ("http", "https"), "it is neither http nor https"),
        (parts.hostname and not _UNREADABLE.search(url), "it is no address"),
        ("@" not in parts.netloc, "it has credentials in it; give them with --secret-header"),
        ("#" not in url, "it has a fragment (#), which is never sent"),
        (allow_private or _is_for_http(port), f"port {port} is not for HTTP"),
        (allow_private or _is_public(parts.hostname or ""), "it is not on the public internet"),
    )
    return next((reason for holds, reason in rules if not holds), None)


def _is_for_http(port: int | None) -> bool:
    return port is None or port in (80, 443) or port >= 1024


def _is_public(host: str) -> bool:
    if ":" in host:
        return _is_public_v6(host)
    # As browsers and Workers read a host: other digits and dots count as the plain ones.
    name = unicodedata.normalize("NFKC", host).replace("\u3002", ".").lower().removesuffix(".")
    last = name.rsplit(".", 1)[-1]
    if last.isdigit() or last.startswith("0x"):
        # One to four parts, decimal, octal or hexadecimal: all mean an IPv4 address.
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
"""Within the global part: protocols, examples, and what holds any IPv4 address."""
