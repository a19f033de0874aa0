"""The public page: static files from the binding `ASSETS`, under headers that fence them in.

Owns which paths are the page's and what browsers are told about it. Refuses to
know what is in the files; `/api/explore/analytics` gives the page its figures.
"""

from __future__ import annotations

from core.errors import BindingMissing, MethodNotAllowed, NotFound
from core.ports import Environment, ProxyResponse, Request
from core.responses import REQUEST_ID_HEADER

PAGE_PATH = "/explore"
"""The page; its files are below it, so that they shadow nothing else."""

_METHODS = ("GET", "HEAD")

# By the last two, no text ever becomes markup or a script, whatever a name of an API holds.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

HEADERS = (
    ("content-security-policy", _POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    (
        "permissions-policy",
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-resource-policy", "same-origin"),
    # Files have no version in their names: a browser asks by tag, so that all it runs fits.
    ("cache-control", "public, max-age=0, must-revalidate"),
)
"""What every file of the page is sent with."""


def is_page(path: str) -> bool:
    """Tell whether `path` is the page or one of its files."""
    return path == PAGE_PATH or path.startswith(PAGE_PATH + "/")


async def page_response(
    environment: Environment, request: Request, url: str, request_id: str
) -> ProxyResponse:
    """Return the file at `url`, which is absolute and has no query, or 304 if the client has it.

    Raises `MethodNotAllowed`, `BindingMissing` when there is no `ASSETS`, and
    `NotFound` when there is no such file.
    """
    if request.method not in _METHODS:
        raise MethodNotAllowed(request.method, _METHODS)
    assets = environment.assets
    if assets is None:
        raise BindingMissing("ASSETS")
    reply = await assets.fetch(url, request.method, request.headers.get("if-none-match"))
    if reply.status == 404:
        await reply.discard()
        raise NotFound(f"The page has no such file; it starts at {PAGE_PATH}.")
    return ProxyResponse(reply, ((REQUEST_ID_HEADER, request_id), *HEADERS), ())
