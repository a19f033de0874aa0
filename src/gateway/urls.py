"""Where a request is going: its URL taken apart, and what may be read from the parts.

Owns the spelling of hosts and paths, so that nothing gets past a rule by being
written another way. Refuses to know tenants.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from core import constants
from core.errors import InvalidParameter, NotFound
from core.ports import Request

PLATFORM_NAME = "__platform"
"""The first segment of the platform API's paths."""

_DECODINGS_MAX = 3
_KNOWN_AUTHORITIES = 1_000
_ODD = re.compile(r"[%\\;]")
_PARAMETERS = re.compile(r";[^/]*")
_CONTROLS = re.compile(r"[\x00-\x20\x7f]")
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_OWN_HOST = re.compile(r"localhost|\d+\.\d+\.\d+\.\d+|\[.*\]|.*\.workers\.dev", re.ASCII)


class ParsedUrl(NamedTuple):
    """A URL taken apart: `origin` + `path` + `query` is the URL again.

    `host` is without port and lower case; `path` starts with a slash and has
    no dot segments; `query` is empty or starts with `?`.
    """

    origin: str
    host: str
    path: str
    query: str


def locate(url: str) -> ParsedUrl:
    """Take an absolute URL apart, and resolve dot segments as browsers do.

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


@lru_cache(maxsize=_KNOWN_AUTHORITIES)
def _host_of(authority: str) -> str:
    host = authority.rpartition("@")[2].lower()
    if not host.endswith("]"):
        name, colon, port = host.rpartition(":")
        host = name if colon and (port.isdigit() or not port) else host
    return host.removesuffix(".")


def is_platform(path: str) -> bool:
    """Tell whether `path` means the platform API, or could to anybody who reads it differently.

    A path that is only another spelling of it is none of its routes, but no
    tenant's either: what is meant for the platform, such as a token, must not
    get to a tenant by an odd spelling.
    """
    if _ODD.search(path):
        return any(_starts_platform(reading) for reading in (path, *_generous_readings(path)))
    return _starts_platform(path)


def is_own_host(host: str) -> bool:
    """Tell whether `host` is an address of the dispatcher's own, never a tenant's name."""
    return _OWN_HOST.fullmatch(host) is not None


def _starts_platform(path: str) -> bool:
    return path.lstrip("/").partition("/")[0].lower() == PLATFORM_NAME


def _generous_readings(path: str) -> tuple[str, str]:
    """Read a path as any server might: encoded twice, with parameters and backslashes.

    Gives it with the dot segments that come to light then, and without.
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


_WORKER_SCRIPT = "service-worker"


def check_size(request: Request) -> None:
    """Raise `InvalidParameter` when the URL or the headers are longer than the edge allows."""
    if len(request.url) > constants.URL_LENGTH_MAX:
        raise InvalidParameter("url", f"at most {constants.URL_LENGTH_MAX} characters long")
    headers = request.headers
    length = sum(map(len, headers)) + sum(map(len, headers.values()))
    if length > constants.HEADERS_LENGTH_MAX:
        raise InvalidParameter(
            "headers", f"at most {constants.HEADERS_LENGTH_MAX} characters long together"
        )


def check_shared_host(request: Request) -> None:
    """Raise `NotFound` when a browser asks for a service worker on a host that APIs share.

    It would see and answer what the browser asks of the other APIs: `/t/SLUG`
    is in the folder `/t/`, which is the script's scope then, and a header can
    widen it to all. Source: Service Workers, W3C, algorithm "Update"
    (the script is fetched with `Service-Worker: script`).
    """
    if _WORKER_SCRIPT in request.headers:
        raise NotFound(
            "Service workers are not given out here, because all APIs below /t share this host."
            " An API at a host of its own may have one."
        )
