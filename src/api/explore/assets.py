"""The files of the public page, served from the binding `ASSETS` with restrictive headers."""

from __future__ import annotations

from core.errors import BindingMissing, MethodNotAllowed, NotFound
from core.ports import Environment, ProxyResponse, Request
from core.responses import REQUEST_ID_HEADER

PAGE_PATH = "/explore"
"""The page; its files are below this path."""

# The last two directives prevent scripts from turning text, such as an API's name, into markup.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
FILE_HEADERS = (
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
    # File names have no version, so browsers revalidate: all files are of the same deployment.
    ("cache-control", "public, max-age=0, must-revalidate"),
)
"""The headers of every page and file."""

METHODS = ("GET", "HEAD")


def is_page(path: str) -> bool:
    """Return whether `path` is the page or one of its files."""
    return path == PAGE_PATH or path.startswith(PAGE_PATH + "/")


async def page_response(
    environment: Environment, request: Request, url: str, request_id: str
) -> ProxyResponse:
    """Return the file at `url`, which is absolute and has no query, or 304 if the client has it.

    Raises `MethodNotAllowed`, `BindingMissing` if there is no `ASSETS`, and
    `NotFound` if there is no such file.
    """
    if request.method not in METHODS:
        raise MethodNotAllowed(request.method, METHODS)
    assets = environment.assets
    if assets is None:
        raise BindingMissing("ASSETS")
    response = await assets.fetch(url, request.method, request.headers.get("if-none-match"))
    if response.status == 404:
        await response.discard()
        raise NotFound(f"The page has no such file; it starts at {PAGE_PATH}.")
    return ProxyResponse(response, ((REQUEST_ID_HEADER, request_id), *FILE_HEADERS), ())
