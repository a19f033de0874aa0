"""Parses and checks the URL of a request, so that no spelling of it bypasses a rule."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from api.catalog.route import PATHS as CATALOG_PATHS
from api.catalog.route import ROOT
from api.explore.assets import is_page
from core import constants
from core.errors import InvalidParameter, NotFound, TenantNotFound
from core.ports import Request
from core.responses import prefers_page

_PLATFORM_SEGMENT = "__platform"
_TENANT_PATH = "/t"
_DECODINGS_MAX = 3
_AUTHORITY_CACHE_ENTRIES = 1_000
_AMBIGUOUS = re.compile(r"[%\\;]")
_PARAMETERS = re.compile(r";[^/]*")
_CONTROLS = re.compile(r"[\x00-\x20\x7f]")
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_OWN_HOST = re.compile(r"localhost|\d+\.\d+\.\d+\.\d+|\[.*\]|.*\.workers\.dev", re.ASCII)
_SERVICE_WORKER_HEADER = "service-worker"


class ParsedUrl(NamedTuple):
    """The parts of an absolute URL; `origin` + `path` + `query` is the URL again.

    `host` is lower case, without port; `path` starts with a slash and has no dot segments;
    `query` is empty or starts with `?`.
    """

    origin: str
    host: str
    path: str
    query: str


def parse_url(url: str) -> ParsedUrl:
    """Parse an absolute URL and resolve dot segments as browsers do.

    Source: WHATWG URL Standard, "path state"; `%2e` is a dot there.
    """
    authority = url.index("//") + 2
    slash = url.find("/", authority)
    question = url.find("?", authority)
    end = len(url) if question < 0 else question
    if slash < 0 or slash > end:
        slash = end
    path = url[slash:end] or "/"
    if ("/." in path or "%" in path) and _DOT_SEGMENT.search(path):
        path = _without_dot_segments(path)
    return ParsedUrl(url[:slash], _host_of(url[authority:slash]), path, url[end:])


def is_platform(path: str) -> bool:
    """Tell whether any server could read `path` as a path of the platform API.

    Such a path never reaches a tenant, even if it matches no route: a platform token must not
    reach a script because the path is spelled unusually.
    """
    if _AMBIGUOUS.search(path):
        return any(map(_starts_platform, readings(path)))
    return _starts_platform(path)


def readings(path: str) -> Sequence[str]:
    """Return the path as it is written, and as a lenient script may read it."""
    if _AMBIGUOUS.search(path) or "//" in path:
        return (path, *_lenient_readings(path))
    return (path,)


def is_own_host(host: str) -> bool:
    """Tell whether `host` is an address of the dispatcher itself, never of a tenant."""
    return _OWN_HOST.fullmatch(host) is not None


def is_own_path(url: ParsedUrl, headers: Mapping[str, str]) -> bool:
    """Tell whether a path is that of a page or a document, where a host is no tenant's."""
    if url.path == ROOT:
        # At an unknown host, a program is told that no API has it.
        return is_own_host(url.host) or prefers_page(headers)
    return is_page(url.path) or url.path in CATALOG_PATHS


def split_tenant_path(url: ParsedUrl) -> tuple[str, str]:
    """Split `/t/SLUG/rest` into the slug in lower case and `/rest`.

    Raises `TenantNotFound`, or `NotFound` at an address of the dispatcher itself.
    """
    path = url.path
    if path != _TENANT_PATH and not path.startswith(_TENANT_PATH + "/"):
        if is_own_host(url.host):
            raise NotFound("There is nothing here. APIs are at /t/SLUG or at their own hosts.")
        raise TenantNotFound(f"No API has the host {url.host[:253]}.", host=url.host[:253])
    slug, slash, rest = path[len(_TENANT_PATH) + 1 :].partition("/")
    if not slug:
        raise TenantNotFound("The path names no API: it must be /t/SLUG.", slug="")
    return unquote(slug).lower(), slash + rest or "/"


def check_size(request: Request) -> None:
    """Raise `InvalidParameter` if the URL or the headers are longer than Cloudflare's limits."""
    if len(request.url) > constants.URL_LENGTH_MAX:
        raise InvalidParameter("url", f"at most {constants.URL_LENGTH_MAX} characters long")
    headers = request.headers
    length = sum(map(len, headers)) + sum(map(len, headers.values()))
    if length > constants.HEADERS_LENGTH_MAX:
        raise InvalidParameter(
            "headers", f"at most {constants.HEADERS_LENGTH_MAX} characters long together"
        )


def check_shared_host(request: Request) -> None:
    """Raise `NotFound` if a browser requests a service worker on a host that APIs share.

    The worker could intercept the browser's requests to all other APIs: its scope is the
    folder `/t/`, and a response header can extend it to `/`. Source: Service Workers, W3C,
    algorithm "Update" (the script is fetched with `Service-Worker: script`).
    """
    if _SERVICE_WORKER_HEADER in request.headers:
        raise NotFound(
            "Service workers are not available here, because all APIs below /t share this host."
            " An API with its own host may have one."
        )


@lru_cache(maxsize=_AUTHORITY_CACHE_ENTRIES)
def _host_of(authority: str) -> str:
    host = authority.rpartition("@")[2].lower()
    if not host.endswith("]"):
        name, colon, port = host.rpartition(":")
        host = name if colon and (port.isdigit() or not port) else host
    return host.removesuffix(".")


def _starts_platform(path: str) -> bool:
    return path.lstrip("/").partition("/")[0].lower() == _PLATFORM_SEGMENT


def _lenient_readings(path: str) -> tuple[str, str]:
    """Decode a path as the most lenient server would: encoded several times, with parameters.

    Returns it before and after the dot segments that then appear are resolved.
    """
    for _ in range(_DECODINGS_MAX):
        path = unquote(path)
    path = _PARAMETERS.sub("", _CONTROLS.sub("", path.replace("\\", "/")))
    path = re.sub("/+", "/", path)
    return path, _without_dot_segments(path)


def _without_dot_segments(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for index, segment in enumerate(segments):
        dots = segment.lower().replace("%2e", ".")
        is_last = index == len(segments) - 1
        if dots == "..":
            del kept[-1:]
        elif dots != ".":
            kept.append(segment)
            continue
        if is_last:
            kept.append("")
    return "/" + "/".join(kept)
