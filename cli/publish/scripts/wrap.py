"""Builds the script that wraps another server's API: it forwards requests."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from cli.publish.openapi import Description, Operation, Priced, described_by, own_openapi
from cli.publish.scripts.addresses import why_refused
from cli.publish.scripts.bundle import Bundle
from cli.publish.scripts.templates import COMPATIBILITY_DATE, constant, template
from cli.publish.validation import Findings
from cli.secret import Secret

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
METHODS_DEFAULT: Final = ("GET", "HEAD")
TIMEOUT_SECONDS_MAX: Final = 300
RESPONSE_BYTES_MAX: Final = 50 * 1024 * 1024
"""Bodies of unknown length are buffered in memory; an isolate has 128 MB."""
CACHE_SECONDS_MAX: Final = 31_536_000

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_RESERVED = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "upgrade", "te"}
)
_UNSENDABLE = re.compile("[^\t\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class Wrapping:
    """The API to wrap, and options.

    Args:
        target: The base URL; paths of requests are appended to its path.
        methods: The methods to forward.
        secret_headers: `NAME=VARIABLE` each: a header, and the environment variable with its value.
        cache_seconds: The cache lifetime of responses; 0 for the target's.
        timeout_seconds: The timeout for a complete response.
        response_bytes_max: The maximum size of a response.
        forward_authorization: Whether to forward the caller's `Authorization` header.
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

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Return the API for options of the command, by their names; missing ones have defaults."""
        names = {
            "target": "wrap",
            "methods": "method",
            "secret_headers": "secret-header",
            "cache_seconds": "cache-seconds",
            "timeout_seconds": "timeout-seconds",
            "response_bytes_max": "max-response-bytes",
            "forward_authorization": "forward-authorization",
            "allow_private": "allow-private",
        }
        return cls(**{name: options[key] for name, key in names.items() if key in options})


@dataclass(slots=True)
class _Headers:
    """The binding of each secret header, and the value of each binding."""

    bindings: dict[str, str] = field(default_factory=dict)
    values: dict[str, Secret] = field(default_factory=dict)


def wrap_bundle(
    wrapping: Wrapping,
    settings: Mapping[str, str],
    cache_control: str | None,
    openapi: Mapping[str, Any] | None = None,
    priced: Priced = dict,
) -> Bundle:
    """Return the script that forwards requests.

    Args:
        wrapping: The API to wrap.
        settings: The environment, which has the values of secret headers.
        cache_control: The `Cache-Control` header of responses; `None` for the target's.
        openapi: The target's OpenAPI document, served in place of the target's own; `None` if it is
            not known.
        priced: Adds prices to it.

    Raises:
        InputError: An option is invalid; the findings list all mistakes.
    """
    findings = Findings()
    refused = why_refused(wrapping.target, allow_private=wrapping.allow_private)
    if refused:
        findings.add(refused, "--wrap")
    methods = list(dict.fromkeys(method.upper() for method in wrapping.methods))
    for method in methods:
        if method not in METHODS:
            findings.add(f"{method} is not one of {', '.join(METHODS)}", "--method")
    _check_range(findings, "--cache-seconds", wrapping.cache_seconds, 0, CACHE_SECONDS_MAX)
    _check_range(findings, "--timeout-seconds", wrapping.timeout_seconds, 0.1, TIMEOUT_SECONDS_MAX)
    _check_range(
        findings, "--max-response-bytes", wrapping.response_bytes_max, 1, RESPONSE_BYTES_MAX
    )
    headers = _read_headers(wrapping.secret_headers, settings, findings)
    findings.refuse("The API to wrap")
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
    own = None if openapi is None else own_openapi(openapi, wrapping.target, methods)
    modules = [
        *template("wrap"),
        constant("settings.js", "settings", options),
        constant("openapi.js", "openapi", None if own is None else priced(own)),
    ]
    described = Operation("/", methods)
    description = Description([described]) if own is None else described_by(own)
    about = {**options, "endpoints": [f"{method} /…" for method in methods]}
    return Bundle(
        "wrap",
        "index.js",
        modules,
        COMPATIBILITY_DATE,
        secrets=headers.values,
        about=about,
        description=description,
    )


def _check_range(findings: Findings, option: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        findings.add(f"must be from {least:,} to {most:,}, is {value:,}", option)


def _read_headers(
    given: Sequence[str], settings: Mapping[str, str], findings: Findings
) -> _Headers:
    headers = _Headers()
    for number, word in enumerate(given):
        name, separator, variable = word.partition("=")
        name = name.strip().lower()
        # The text after = may be a secret given by mistake, so it is not shown.
        if not separator or not _HEADER.fullmatch(name) or not variable.isidentifier():
            findings.add(
                f"option {number + 1} must be NAME=VARIABLE: the names of a header and of an "
                "environment variable",
                "--secret-header",
            )
            continue
        value = settings.get(variable, "")
        if name in _RESERVED:
            findings.add(f"the header {name} cannot be set", "--secret-header")
        elif name in headers.bindings:
            findings.add(f"the header {name} is given twice", "--secret-header")
        elif not value:
            findings.add(
                f"the environment variable {variable} is not set: set it to the value of {name}, or"
                " remove the header with --clear secret-header",
                "--secret-header",
            )
        elif _UNSENDABLE.search(value):
            findings.add(
                f"the value of {variable} has characters that are not allowed in a header",
                "--secret-header",
            )
        else:
            headers.bindings[name] = f"SECRET_HEADER_{number + 1}"
            headers.values[f"SECRET_HEADER_{number + 1}"] = Secret(value)
    return headers
