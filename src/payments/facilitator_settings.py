"""The facilitators of the deployment, and the credentials of each.

`FACILITATORS` is a JSON list of `{url, auth}`. `credentials.forms` has the forms of `auth`: they
name secrets of the Worker, so that the list itself contains none. The short form is
`FACILITATOR_URL`, URLs separated by commas; `FACILITATOR_API_KEY` is then a bearer token for the
origin of the first URL only. If both are set, `FACILITATORS` counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

from core import constants
from core.errors import ConfigurationError
from core.ports import Json, OutgoingEnvironment
from core.safe_json import read_json
from payments.credentials import CALLS, CoinbaseKey, Headers

LIST_SETTING = "FACILITATORS"
URL_SETTING = "FACILITATOR_URL"
KEY_SETTING = "FACILITATOR_API_KEY"
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?", re.ASCII)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Facilitator:
    """A facilitator: its URL without a final slash, and its credentials for each call."""

    url: str
    credentials: Mapping[str, Headers]
    key: CoinbaseKey | None = None

    @property
    def secrets(self) -> Sequence[str]:
        """The secrets that its credentials name, each once."""
        named = [name for headers in self.credentials.values() for _, name in headers.values()]
        return [*dict.fromkeys([*named, *(self.key or ())])]

    def is_own(self, url: str) -> bool:
        """Tell whether a URL has the facilitator's origin; no other gets its credentials."""
        return origin_of(url) == origin_of(self.url)

    def headers(self, environment: OutgoingEnvironment, call: str, url: str) -> Mapping[str, str]:
        """Return the credentials for a call to `url`; none for another origin than its own.

        Raises `ConfigurationError` if a secret is missing or cannot be a header.
        """
        credentials = self.credentials.get(call)
        if not credentials or not self.is_own(url):
            return {}
        headers = {}
        for name, (prefix, setting) in credentials.items():
            secret = (environment.setting(setting) or "").strip()
            if not _VALUE.fullmatch(secret):
                raise ConfigurationError(setting, f"It is the secret of {self.url}.")
            headers[name] = prefix + secret
        return headers


def facilitators_of(environment: OutgoingEnvironment) -> Sequence[Facilitator]:
    """Return the facilitators, in the order in which they are tried.

    Raises `ConfigurationError` if there is none or a setting is unusable.
    """
    text = environment.setting(LIST_SETTING)
    if text is not None:
        return _read_list(text)
    urls = environment.setting(URL_SETTING)
    if urls is None:
        raise ConfigurationError(
            URL_SETTING, "Set it to one or more URLs, separated by commas, or set FACILITATORS."
        )
    return _read_urls(urls, has_key=environment.setting(KEY_SETTING) is not None)


def secrets_named(text: str) -> Sequence[str]:
    """Return the secrets that a value of `FACILITATORS` names. Raises `ConfigurationError`."""
    named = [setting for one in _read_list(text) for setting in one.secrets]
    return [*dict.fromkeys(named)]


def facilitator_urls(environment: OutgoingEnvironment) -> list[str]:
    """Return the facilitators' URLs. Raises as `facilitators_of` does."""
    return [facilitator.url for facilitator in facilitators_of(environment)]


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of an http(s) URL; None for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        return None
    return parts.scheme, parts.hostname, port or _PORTS[parts.scheme]


def redirect_target(url: str, location: str) -> str | None:
    """Return where a redirect from `url` leads; None if it must not be followed.

    It must not lead to an unencrypted URL, except from one loopback address to another.
    """
    try:
        target = urljoin(url, location.strip())
    except ValueError:
        return None
    source, origin = origin_of(url), origin_of(target)
    if source is None or origin is None or "@" in urlsplit(target).netloc:
        return None
    is_local = _is_loopback(source[1]) and _is_loopback(origin[1])
    return target if origin[0] == "https" or is_local else None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@lru_cache(maxsize=4)
def _read_urls(text: str, *, has_key: bool) -> Sequence[Facilitator]:
    urls = [url.strip().rstrip("/") for url in text.split(",") if url.strip()]
    if not urls or not all(_is_url(url) for url in urls):
        # The URLs appear in logs, at health and in settlements.
        raise ConfigurationError(
            URL_SETTING,
            "It must be one or more http(s) URLs, separated by commas, without password, query and"
            f" fragment: a key goes into {KEY_SETTING}.",
        )
    headers = {"authorization": ("Bearer ", KEY_SETTING)} if has_key else {}
    key = dict.fromkeys(CALLS, headers)
    first = origin_of(urls[0])
    return [Facilitator(url, key if origin_of(url) == first else {}) for url in dict.fromkeys(urls)]


@lru_cache(maxsize=4)
def _read_list(text: str) -> Sequence[Facilitator]:
    from payments.credentials.forms import LIST_FORM  # noqa: PLC0415 (see the package)

    try:
        entries = read_json(text)
    except ValueError as error:
        raise ConfigurationError(LIST_SETTING, f"It must be {LIST_FORM}.") from error
    if not isinstance(entries, list) or not 0 < len(entries) <= constants.FACILITATORS_MAX:
        raise ConfigurationError(
            LIST_SETTING, f"It must be {LIST_FORM}; at most {constants.FACILITATORS_MAX}."
        )
    found: dict[str, Facilitator] = {}
    for index, entry in enumerate(entries):
        try:
            facilitator = _read_entry(entry)
            if facilitator.url in found:
                raise ValueError("url is repeated")  # noqa: TRY301
        except ValueError as error:
            raise ConfigurationError(
                LIST_SETTING, f"Entry {index}: {error}. It must be {LIST_FORM}."
            ) from error
        found[facilitator.url] = facilitator
    return [*found.values()]


def _read_entry(entry: Json) -> Facilitator:
    """Read an entry; raises `ValueError` with what is wrong with it."""
    from payments.credentials.forms import read_auth  # noqa: PLC0415 (see the package)

    if not isinstance(entry, dict) or not entry.keys() <= {"url", "auth"}:
        raise ValueError("it must have url and auth, and nothing else")
    url = entry.get("url")
    if not isinstance(url, str) or not _is_url(url.strip()):
        raise ValueError("url is unusable")
    return Facilitator(url.strip().rstrip("/"), *read_auth(entry.get("auth")))


def _is_url(url: str) -> bool:
    is_plain = not any(mark in url for mark in "@?#\\") and url.isascii() and url.isprintable()
    return is_plain and " " not in url and origin_of(url) is not None
