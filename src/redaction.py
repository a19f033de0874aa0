"""Takes what a request holds in confidence out of texts that go to the log.

A script's exception may repeat what it was sent, and so may one of ours. Owns
what counts as confidential: credentials, payments, callers' names and addresses, and the query. A
body is not looked for, because nobody here reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote_plus, urlsplit

from ports import Request

_CONFIDENTIAL = (
    "authorization",
    "cf-connecting-ip",
    "cookie",
    "payment-signature",
    "proxy-authorization",
    "true-client-ip",
    "x-agent-id",
    "x-api-key",
    "x-caller-id",
    "x-forwarded-for",
    "x-payment",
    "x-platform-token",
    "x-real-ip",
)
_LENGTH_MIN = 4
"""Shorter pieces are words and numbers that stand in any text."""

_PIECES = re.compile(r"[\s,;&?=]+")
_SHOWN = "[redacted]"


def redacted(text: str, request: Request) -> str:
    """Replace every piece of what `request` holds in confidence."""
    for piece in sorted(set(_confidential(request)), key=len, reverse=True):
        text = text.replace(piece, _SHOWN)
    return text


def _confidential(request: Request) -> Iterator[str]:
    values = [request.headers.get(name, "") for name in _CONFIDENTIAL]
    query = urlsplit(request.url).query
    values += [query, unquote_plus(query)]
    for value in values:
        for piece in (value, *_PIECES.split(value)):
            if len(piece) >= _LENGTH_MIN:
                yield piece
