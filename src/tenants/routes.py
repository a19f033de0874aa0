"""Prices by route: the field `routes` of a record.

A route has a `path`, in which `*`, `{name}`, `[name]` and `:name` stand for what varies, and may
have a `method`. The first route that fits a request sets its price; without one, the record does.
A route may also describe the requests that it fits.

A path may be spelled so that a script reads another one than is written. So the gateway matches a
request as it is written and as a lenient script may read it, and the higher price counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from core.ports import Json
from tenants.discovery import CALL_FIELDS, METHODS, NOTHING_KNOWN, Discovery, parse_call
from tenants.fields import RecordFields
from tenants.pricing import PaymentOption, check_units, parse_accepts, parse_price

ANY_METHOD = "*"
ROUTES_MAX = 50
_PATH_LENGTH_MAX = 200
_FIELDS = CALL_FIELDS | {"accepts", "method", "path", "priceUsd"}
_DESCRIBING = CALL_FIELDS | {"method", "path"}
"""A route with these fields only describes requests, which cost what the record says."""

_PATH = re.compile(r"/[!-~]*", re.ASCII)
_PATH_FORM = (
    "a path such as /v1/*, of 1 to 200 visible ASCII characters, without query, dot segments and"
    " empty segments, in which *, {name}, [name] or :name stand for what varies"
)
_UNREACHABLE = re.compile(r"[?#\\]|//|/\.{1,2}(?:/|$)|%(?![0-9A-Fa-f]{2})")
"""What no path of a request has."""

_NAMED = re.compile(r"\{[A-Za-z_]\w*\}|\[[A-Za-z_]\w*\]|:[A-Za-z_]\w*", re.ASCII)
_LETTER = "\0"
"""Stands for a named part while a pattern is compiled or compared; no path has this letter."""


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of `routes`; `price_micros` is 0 if it is free, in micro-dollars.

    `discovery` is what it says about how the requests that it fits are called.
    """

    method: str
    path: str
    pattern: re.Pattern[str]
    price_micros: int
    accepts: Sequence[PaymentOption]
    discovery: Discovery = NOTHING_KNOWN

    def fits(self, method: str, path: str) -> bool:
        """Tell whether the route is for a request; a route for GET is for HEAD, too."""
        return self.has_method(method) and self.pattern.fullmatch(path) is not None

    def has_method(self, method: str) -> bool:
        """Tell whether the route is for requests with a method."""
        return self.method in (ANY_METHOD, method) or (self.method, method) == ("GET", "HEAD")

    @property
    def name(self) -> str:
        """Method and path, which no other route of the record has."""
        return f"{self.method} {self.path}"

    @property
    def template(self) -> str:
        """The path with `:name` for what varies; empty if nothing does, or not whole segments."""
        segments = [
            f":var{index}" if segment == "*" else _NAMED.sub(_as_colon, segment)
            for index, segment in enumerate(self.path.split("/"))
        ]
        template = "/".join(segments)
        return template if "/:" in template and "*" not in template else ""


def parse_routes(
    fields: RecordFields, price_micros: int, accepts: Sequence[PaymentOption], pay_to: str
) -> Sequence[Route]:
    """Read `routes` of a record with this price, these ways to pay and this payee.

    An invalid one adds a reason.
    """
    given = fields.record.get("routes")
    if given is None:
        return ()
    if not isinstance(given, list) or len(given) > ROUTES_MAX:
        fields.refuse("routes", f"a list of at most {ROUTES_MAX} objects with path and priceUsd")
        return ()
    routes: list[Route] = []
    for index, entry in enumerate(given):
        name = f"routes[{index}]"
        if not isinstance(entry, dict):
            fields.reasons.append(f"{name} must be an object")
            continue
        part = fields.part(name, entry)
        route = _parse_route(part, price_micros, accepts, pay_to)
        earlier = next((one for one in routes if _covers(one, route)), None)
        if earlier is not None and not part.reasons:
            part.refuse("path", f"above {earlier.name}, which fits it first")
        routes.append(route)
    return routes


def route_of(routes: Sequence[Route], method: str, path: str) -> int | None:
    """Return the index of the first route that fits a request; None if there is none."""
    fitting = (index for index, route in enumerate(routes) if route.fits(method, path))
    return next(fitting, None)


def _parse_route(
    part: RecordFields, record_micros: int, accepts: Sequence[PaymentOption], pay_to: str
) -> Route:
    part.refuse_others(_FIELDS)
    method: Json = part.record.get("method", ANY_METHOD)
    if method != ANY_METHOD and method not in METHODS:
        part.refuse("method", f"a method in capital letters ({', '.join(METHODS)}) or *")
    path = part.record.get("path")
    if (
        not isinstance(path, str)
        or len(path) > _PATH_LENGTH_MAX
        or not _PATH.fullmatch(path)
        or _UNREACHABLE.search(path)
    ):
        part.refuse("path", _PATH_FORM)
        path = "/"
    discovery = parse_call(part)
    if part.record.keys() <= _DESCRIBING and discovery != NOTHING_KNOWN:
        return Route(str(method), path, _compile(path), record_micros, accepts, discovery)
    if part.record.get("priceUsd") is None:
        part.refuse("priceUsd", "set; 0 is free")
    price_micros = parse_price(part)
    options: Sequence[PaymentOption] = ()
    if "accepts" in part.record:
        options = parse_accepts(part, price_micros, pay_to)
    elif any(option.has_own_price for option in accepts):
        if price_micros:
            part.refuse("accepts", "set, because entries of the record's have their own price")
    elif price_micros:
        options = [replace(option, price_micros=price_micros) for option in accepts]
        for option in options:
            check_units(part, option)
    return Route(str(method), path, _compile(path), price_micros, options, discovery)


def _compile(path: str) -> re.Pattern[str]:
    """Compile a path; letter case and a slash at the end make no difference.

    What stands between two `*` matches as early as possible and is not tried again (an atomic
    group), and so is what follows a named part. This finds a match whenever there is one, and
    bounds the time, however many parts vary: quadratic in the length of a request's path.
    """
    # As in the official servers, /x/* fits /x as well.
    head, rest = (path[:-2], "(?:/.*)?") if path.endswith("/*") else (path.rstrip("/"), "")
    first, *others = _NAMED.sub(_LETTER, head).split("*")
    pattern = _chunk(first, is_last=not others)
    for index, chunk in enumerate(others, start=1):
        is_last = index == len(others)
        found = f".*?{_chunk(chunk, is_last=is_last)}"
        pattern += found if is_last else f"(?>{found})"
    return re.compile(f"{pattern}{rest}/?", re.IGNORECASE | re.DOTALL)


def parameters_of(template: str, path: str) -> Mapping[str, str]:
    """Return what stands for each `:name` of a template in a path."""
    pairs = zip(template.split("/"), path.split("/"), strict=False)
    return {name[1:]: value for name, value in pairs if name.startswith(":")}


def _as_colon(found: re.Match[str]) -> str:
    return ":" + found[0].strip("{}[]:")


def _chunk(text: str, *, is_last: bool) -> str:
    """Return the pattern of a part of a path without `*`; the last one ends with the path."""
    start, *named = (re.escape(literal) for literal in text.split(_LETTER))
    early = named[:-1] if is_last else named
    late = named[len(early) :]
    return (
        start
        + "".join(f"(?>[^/]+?{literal})" for literal in early)
        + "".join(f"[^/]+{literal}" for literal in late)
    )


def _covers(earlier: Route, route: Route) -> bool:
    """Tell whether an earlier route fits every request of a later one."""
    paths = _samples(route.path)
    return earlier.has_method(route.method) and all(map(earlier.pattern.fullmatch, paths))


def _samples(path: str) -> Iterator[str]:
    """Yield paths of a route; what fits all of them fits every path of it."""
    named = _NAMED.sub(_LETTER, path)
    for text in (_LETTER, f"{_LETTER}/{_LETTER}", ""):
        yield named.replace("*", text)
