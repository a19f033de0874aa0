"""Another server's API as a script that passes requests on."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cli.publish.addresses import why_refused
from cli.publish.bundle import Bundle
from cli.publish.templates import COMPATIBILITY_DATE, constant, template
from cli.publish.validation import Findings
from cli.secret import Secret

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
METHODS_DEFAULT: Final = ("GET", "HEAD")
TIMEOUT_SECONDS_MAX: Final = 300
RESPONSE_BYTES_MAX: Final = 50 * 1024 * 1024
"""Held in memory while its length is not known; an isolate has 128 MB."""
CACHE_SECONDS_MAX: Final = 31_536_000

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_RESERVED = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "upgrade", "te"}
)
_UNSENDABLE = re.compile("[^\t\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class Wrapping:
    """What is wrapped, and how.

    Args:
        target: The address; paths of requests are added to its own.
        methods: The methods that are passed on.
        secret_headers: `NAME=VARIABLE` each: a header, and the environment variable that has its
            value.
        cache_seconds: How long an answer may be kept; 0 for as the target says.
        timeout_seconds: How long an answer may take, whole.
        response_bytes_max: How large an answer may be.
        forward_authorization: Whether the caller's `Authorization` is passed on.
        allow_private: Whether the target may be on a private network.
    """

    target: str
    methods: Sequence[str] = METHODS_DEFAULT
    secret_headers: Sequence[str] = ()
    cache_seconds: int = 0
    timeout_seconds: float = 20
    response_bytes_max: int = 10 * 1024 * 1024
    forward_authorization: bool = False
    allow_private: bool = False


@dataclass(slots=True)
class _Headers:
    """Headers by name to the binding with their value, and those values."""

    bindings: dict[str, str] = field(default_factory=dict)
    values: dict[str, Secret] = field(default_factory=dict)


def wrap_bundle(
    wrapping: Wrapping, settings: Mapping[str, str], cache_control: str | None
) -> Bundle:
    """Return the script that passes requests on.

    Args:
        wrapping: What is wrapped.
        settings: The environment, which has the values of secret headers.
        cache_control: What callers are told of keeping answers; `None` for what the target says.

    Raises:
        InputError: With everything that is wrong.
    """
    findings = Findings()
    refused = why_refused(wrapping.target, allow_private=wrapping.allow_private)
    if refused:
        findings.add(refused, "--wrap")
    methods = list(dict.fromkeys(method.upper() for method in wrapping.methods))
    for method in methods:
        if method not in METHODS:
            findings.add(f"{method} is none of {', '.join(METHODS)}", "--method")
    _check_range(findings, "--cache-seconds", wrapping.cache_seconds, 0, CACHE_SECONDS_MAX)
    _check_range(findings, "--timeout-seconds", wrapping.timeout_seconds, 0.1, TIMEOUT_SECONDS_MAX)
    _check_range(
        findings, "--max-response-bytes", wrapping.response_bytes_max, 1, RESPONSE_BYTES_MAX
    )
    headers = _read_headers(wrapping.secret_headers, settings, findings)
    findings.refuse("The address")
    options = {
        "target": wrapping.target,
        "methods": methods,
        "timeoutSeconds": wrapping.timeout_seconds,
        "responseBytesMax": wrapping.response_bytes_max,
        "cacheSeconds": wrapping.cache_seconds,
        "cacheControl": cache_control,
        "forwardAuthorization": wrapping.forward_authorization,
        "allowPrivate": wrapping.allow_private,
        "secretHeaders": headers.bindings,
    }
    modules = [*template("wrap"), constant("settings.js", "settings", options)]
    about = {**options, "endpoints": [f"{method} /…" for method in methods]}
    return Bundle(
        "wrap", "index.js", modules, COMPATIBILITY_DATE, secrets=headers.values, about=about
    )


def _check_range(findings: Findings, option: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        findings.add(f"it must be from {least:,} to {most:,}, is {value:,}", option)


def _read_headers(
    given: Sequence[str], settings: Mapping[str, str], findings: Findings
) -> _Headers:
    headers = _Headers()
    for number, word in enumerate(given):
        name, separator, variable = word.partition("=")
        name = name.strip().lower()
        # What stands behind the = may be a secret that was put there by mistake: it is not shown.
        if not separator or not _HEADER.fullmatch(name) or not variable.isidentifier():
            findings.add(
                f"number {number + 1} is not NAME=VARIABLE, the name of a header and of an "
                "environment variable",
                "--secret-header",
            )
            continue
        value = settings.get(variable, "")
        if name in _RESERVED:
            findings.add(f"the header {name} is set by the connection itself", "--secret-header")
        elif name in headers.bindings:
            findings.add(f"the header {name} is given twice", "--secret-header")
        elif not value:
            findings.add(f"the environment variable {variable} is not set", "--secret-header")
        elif _UNSENDABLE.search(value):
            findings.add(
                f"the value of {variable} has characters that no header can have",
                "--secret-header",
            )
        else:
            headers.bindings[name] = f"SECRET_HEADER_{number + 1}"
            headers.values[f"SECRET_HEADER_{number + 1}"] = Secret(value)
    return headers
