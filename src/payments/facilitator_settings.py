"""The facilitators of the deployment, and the credentials of each.

`FACILITATORS` is a JSON list of `{url, auth}`. Its `auth` is left out, or `{"bearer": NAME}`, or
`{"headers": {HEADER: NAME}}`, where NAME is a secret of the Worker, so that the list itself
contains none. The short form is `FACILITATOR_URL`, URLs separated by commas;
`FACILITATOR_API_KEY` is then a bearer token for the origin of the first URL only. If both are set,
`FACILITATORS` counts.
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
from core.ports import Environment, Json
from core.safe_json import read_json

LIST_SETTING = "FACILITATORS"
URL_SETTING = "FACILITATOR_URL"
KEY_SETTING = "FACILITATOR_API_KEY"
_FORM = (
    'a JSON list of {"url", "auth"} with http(s) URLs without password, query and fragment; auth is'
    ' {"bearer": NAME} or {"headers": {HEADER: NAME}} with names of secrets, or left out'
)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?", re.ASCII)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Facilitator:
    """A facilitator: its URL without a final slash, and its credentials.

    `credentials` has for each header the text before the secret, and the secret's setting.
    """

    url: str
    credentials: Mapping[str, tuple[str, str]]

    def headers(self, environment: Environment, url: str) -> Mapping[str, str]:
        """Return the credentials for a request to `url`; none for another origin than its own.

        Raises `ConfigurationError` if a secret is missing or cannot be a header.
        """
        if not self.credentials or origin_of(url) != origin_of(self.url):
            return {}
        headers = {}
        for name, (prefix, setting) in self.credentials.items():
            secret = (environment.setting(setting) or "").strip()
            if not _VALUE.fullmatch(secret):
                raise ConfigurationError(setting, f"It is the secret of {self.url}.")
            headers[name] = prefix + secret
        return headers


def facilitators_of(environment: Environment) -> Sequence[Facilitator]:
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
    named = [one.credentials.values() for one in _read_list(text)]
    return [*dict.fromkeys(setting for values in named for _, setting in values)]


def facilitator_urls(environment: Environment) -> list[str]:
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
    key = {"authorization": ("Bearer ", KEY_SETTING)} if has_key else {}
    first = origin_of(urls[0])
    return [Facilitator(url, key if origin_of(url) == first else {}) for url in dict.fromkeys(urls)]


@lru_cache(maxsize=4)
def _read_list(text: str) -> Sequence[Facilitator]:
    try:
        entries = read_json(text)
    except ValueError as error:
        raise ConfigurationError(LIST_SETTING, f"It must be {_FORM}.") from error
    if not isinstance(entries, list) or not 0 < len(entries) <= constants.FACILITATORS_MAX:
        raise ConfigurationError(
            LIST_SETTING, f"It must be {_FORM}; at most {constants.FACILITATORS_MAX}."
        )
    found: dict[str, Facilitator] = {}
    for index, entry in enumerate(entries):
        facilitator = _read_entry(entry)
        if facilitator is None or facilitator.url in found:
            raise ConfigurationError(
                LIST_SETTING, f"Entry {index} is unusable or repeated. It must be {_FORM}."
            )
        found[facilitator.url] = facilitator
    return [*found.values()]


def _read_entry(entry: Json) -> Facilitator | None:
    if not isinstance(entry, dict) or not entry.keys() <= {"url", "auth"}:
        return None
    url, auth = entry.get("url"), entry.get("auth")
    if not isinstance(url, str) or not _is_url(url.strip()):
        return None
    credentials = _read_auth(auth)
    return None if credentials is None else Facilitator(url.strip().rstrip("/"), credentials)


def _read_auth(auth: Json) -> Mapping[str, tuple[str, str]] | None:
    """Read the credentials of an entry; None if they have no known form."""
    if auth is None:
        return {}
    if not isinstance(auth, dict) or len(auth) != 1:
        return None
    ((kind, value),) = auth.items()
    if kind == "bearer" and isinstance(value, str) and _SETTING.fullmatch(value):
        return {"authorization": ("Bearer ", value)}
    if kind == "headers" and isinstance(value, dict) and value:
        names = {name.lower(): setting for name, setting in value.items()}
        is_valid = len(names) == len(value) and all(
            _HEADER.fullmatch(name)
            and name != "content-type"
            and isinstance(setting, str)
            and _SETTING.fullmatch(setting)
            for name, setting in names.items()
        )
        return {name: ("", setting) for name, setting in names.items()} if is_valid else None
    return None


def _is_url(url: str) -> bool:
    is_plain = not any(mark in url for mark in "@?#\\") and url.isascii() and url.isprintable()
    return is_plain and " " not in url and origin_of(url) is not None
