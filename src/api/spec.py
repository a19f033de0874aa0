"""Types that describe routes and query parameters, and the reading of parameters by them.

Requests are read by the same values from which the OpenAPI document is written, so
the two cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from api.pagination import CURSOR_PATTERN
from core import constants
from core.calendar import DAY_MS
from core.errors import DispatcherError, InvalidParameter, InvalidWindow, UnknownParameter
from core.ports import Json

Schema = Mapping[str, Json]
"""JSON Schema 2020-12, which OpenAPI 3.1 uses as it is."""

Pairs = Sequence[tuple[str, str]]
"""The names and values of a query, decoded, in their order."""

Values = Mapping[str, Json]
"""The value of every parameter of a route, or its default, by the parameter's name."""

READING = ("GET", "HEAD")
WRITING = ("POST",)
JSON = "application/json"
HTML = "text/html"
CSV = "text/csv"
TEXT = "text/plain"
XML = "application/xml"
OPENMETRICS = "application/openmetrics-text"
PARAMETERS_MAX = 100
"""Parameters that a query may have, described or not."""

_NAME = re.compile("[a-z0-9-]{1,64}")
_NINE_DIGITS = re.compile(r"[0-9]{1,9}")
_MOMENT_PATTERN = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2}))?$"
)
_MOMENT = re.compile(_MOMENT_PATTERN)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One query parameter.

    `read` parses its text and raises `ValueError` for an invalid one. `schema` describes
    the valid texts for programs, `expected` for people: it completes "must be …". If
    `is_stricter_than_schema`, `read` also rejects some texts that fit the schema, such as
    a time out of range.
    """

    name: str
    description: str
    expected: str
    schema: Schema
    read: Callable[[str], Json]
    default: Json = None
    is_required: bool = False
    is_stricter_than_schema: bool = False
    example: str | None = None

    def error(self) -> InvalidParameter:
        """Return the error for an invalid value."""
        return InvalidParameter(self.name, self.expected)


@dataclass(frozen=True, slots=True)
class WindowParameter(Parameter):
    """The name of a window, which has its own error."""

    def error(self) -> InvalidParameter:
        """Return the error for a window that does not exist; it lists those that do."""
        return InvalidWindow(self.schema["enum"])


@dataclass(frozen=True, slots=True)
class Success:
    """A response that is no error.

    `schema_name` is its JSON Schema's name in the OpenAPI document, None if the
    response has no body.
    """

    description: str
    schema_name: str | None
    media_type: str = JSON
    status: int | None = 200
    """None for every status that the route does not list."""
    other_types: Mapping[str, str] = field(default_factory=dict)
    """Schemas of other forms of the body, by media type."""
    headers: Sequence[str] = ()
    """Headers that other routes do not have."""


@dataclass(frozen=True, slots=True)
class Route:
    """One path with its methods, parameters and responses.

    `name` is the operation's id. `scope` is what a token needs, None if the route needs
    no token. `errors` are all but `MethodNotAllowed`. If `is_conditional`, responses have
    an `ETag`, and requests may have `If-None-Match`. `cursor_parameter` names the
    parameter that takes the `cursor` of a response. `path_parameters` has the schemas of
    the variable parts of `path`. If `is_by_tenant`, a token that is limited to certain tenants
    may use it, and sees only what is theirs.
    """

    path: str
    name: str
    summary: str
    methods: Sequence[str]
    successes: Sequence[Success]
    errors: Sequence[type[DispatcherError]]
    scope: str | None = None
    description: str = ""
    parameters: Sequence[Parameter] = ()
    is_conditional: bool = False
    cursor_parameter: str | None = None
    path_parameters: Mapping[str, Schema] = field(default_factory=dict)
    is_by_tenant: bool = False


NOT_MODIFIED = Success(
    "The response has not changed since the one whose `ETag` is in `If-None-Match`.",
    None,
    status=304,
)


def query_pairs(query: str) -> Pairs:
    """Split a query that is empty or starts with `?`.

    Raises `InvalidParameter` if it has more than `PARAMETERS_MAX` parameters.
    """
    try:
        return parse_qsl(query[1:], keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
    except ValueError as error:
        raise InvalidParameter("query", f"at most {PARAMETERS_MAX} parameters") from error


def read_parameters(parameters: Sequence[Parameter], pairs: Pairs) -> Values:
    """Read a route's parameters from a query.

    Other parameters are ignored; `refuse_unknown` rejects them. Raises `InvalidParameter` for the
    first one that is invalid, missing or given twice.
    """
    values: dict[str, Json] = {}
    for parameter in parameters:
        given = [value for name, value in pairs if name == parameter.name]
        # Proxies and caches differ in which of two values they take.
        if len(given) > 1:
            raise InvalidParameter(parameter.name, "given once")
        if not given and not parameter.is_required:
            values[parameter.name] = parameter.default
            continue
        try:
            values[parameter.name] = parameter.read("".join(given))
        except ValueError:
            raise parameter.error() from None
    return values


def refuse_unknown(parameters: Sequence[Parameter], pairs: Pairs) -> None:
    """Raise `UnknownParameter` if a query has a parameter that a route does not accept.

    An ignored filter would return everything, and nothing would say so. Names are case-sensitive.
    """
    accepted = [parameter.name for parameter in parameters]
    for name, _ in pairs:
        if name not in accepted:
            raise UnknownParameter(name[: constants.ECHOED_VALUE_LENGTH_MAX], accepted)


def window_name(name: str, description: str, windows: Sequence[str]) -> Parameter:
    """Describe an optional parameter that is one of `windows`."""

    def read(text: str) -> str:
        if text not in windows:
            raise ValueError("not a window")
        return text

    schema = {"type": "string", "enum": list(windows)}
    return WindowParameter(name, description, f"one of {', '.join(windows)}", schema, read)


def choice(
    name: str, description: str, values: Sequence[str], *, has_default: bool = True
) -> Parameter:
    """Describe an optional parameter that is one of `values`; the first one by default."""

    def read(text: str) -> str:
        if text not in values:
            raise ValueError("not one of them")
        return text

    schema: dict[str, Json] = {"type": "string", "enum": list(values)}
    default = values[0] if has_default else None
    if has_default:
        schema["default"] = default
    expected = f"one of {', '.join(values)}"
    return Parameter(name, description, expected, schema, read, default, example=values[-1])


def range_name(name: str, description: str, ranges: Sequence[str]) -> Parameter:
    """Describe an optional parameter that is one of `ranges`, or a UTC day; its value is a text."""
    of_day = day(name, description)

    def read(text: str) -> str:
        if text not in ranges:
            of_day.read(text)
        return text

    pattern = f"^({'|'.join(ranges)}|{_DAY.pattern})$"
    schema = {"type": "string", "pattern": pattern}
    expected = f"one of {', '.join(ranges)}, or a UTC day such as 2026-01-31"
    return Parameter(name, description, expected, schema, read, is_stricter_than_schema=True)


def required_text(
    name: str, description: str, pattern: re.Pattern[str], expected: str
) -> Parameter:
    """Describe a required parameter that matches a pattern."""

    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError("another form")
        return text

    schema = {"type": "string", "pattern": f"^{pattern.pattern}$"}
    return Parameter(
        name, description, expected, schema, read, is_required=True, is_stricter_than_schema=True
    )


def short_text(name: str, description: str, length_max: int) -> Parameter:
    """Describe an optional text of at most `length_max` characters; empty by default."""

    def read(text: str) -> str:
        if len(text) > length_max:
            raise ValueError("too long")
        return text

    schema = {"type": "string", "maxLength": length_max}
    return Parameter(name, description, f"at most {length_max} characters", schema, read, "")


def identifier(name: str, description: str, example: str) -> Parameter:
    """Describe an optional id or slug, of which any text is one."""

    def read(text: str) -> str:
        if not 1 <= len(text) <= constants.TEXT_LENGTH_MAX:
            raise ValueError("too short or too long")
        return text

    schema = {"type": "string", "minLength": 1, "maxLength": constants.TEXT_LENGTH_MAX}
    expected = f"a text of 1 to {constants.TEXT_LENGTH_MAX} characters"
    return Parameter(name, description, expected, schema, read, example=example)


def whole_number(
    name: str, description: str, default: int, maximum: int, minimum: int = 1
) -> Parameter:
    """Describe an optional whole number from `minimum` to `maximum`."""

    def read(text: str) -> int:
        # Limited to nine digits, because Python parses a number of any length.
        value = int(text) if _NINE_DIGITS.fullmatch(text) else -1
        if not minimum <= value <= maximum:
            raise ValueError("out of bounds")
        return value

    schema = {"type": "integer", "minimum": minimum, "maximum": maximum, "default": default}
    expected = f"a whole number from {minimum} to {maximum}"
    return Parameter(name, description, expected, schema, read, default)


def lenient_number(name: str, description: str, default: int, maximum: int) -> Parameter:
    """Describe an optional whole number that is capped at `maximum`; other texts mean `default`."""

    def read(text: str) -> int:
        digits = text.lstrip("0") if text.isascii() and text.isdigit() else ""
        # Python parses a number of any length, and takes long for a long one.
        if len(digits) > len(str(maximum)):
            return maximum
        return min(int(digits), maximum) if digits else default

    number = whole_number(name, description, default, maximum)
    schema = {"anyOf": [number.schema, {"type": "string"}], "default": default}
    return replace(number, schema=schema, read=read, expected="anything")


def truth(name: str, description: str) -> Parameter:
    """Describe an optional parameter that is `true` or `false`, which is the default."""

    def read(text: str) -> bool:
        if text not in ("true", "false"):
            raise ValueError("neither true nor false")
        return text == "true"

    schema = {"type": "boolean", "default": False}
    return Parameter(name, description, "true or false", schema, read, default=False)


def own_name(name: str, description: str) -> Parameter:
    """Describe an optional name that the client chooses."""

    def read(text: str) -> str:
        if _NAME.fullmatch(text) is None:
            raise ValueError("not a name")
        return text

    schema = {"type": "string", "pattern": f"^{_NAME.pattern}$"}
    expected = "1 to 64 lower-case letters, digits and -"
    return Parameter(name, description, expected, schema, read)


def moment(name: str, description: str, *, is_required: bool = True) -> Parameter:
    """Describe a UTC day or time with a zone; its value is in milliseconds since 1970."""

    def read(text: str) -> int:
        if _MOMENT.fullmatch(text) is None:
            raise ValueError("neither a day nor a time with a zone")
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        _check_year(at)
        return round(at.timestamp() * 1000)

    schema = {"type": "string", "pattern": _MOMENT_PATTERN}
    return Parameter(
        name,
        description,
        "a UTC day such as 2026-11-22 or a time such as 2026-11-22T18:00Z",
        schema,
        read,
        is_required=is_required,
        is_stricter_than_schema=True,
    )


def day(name: str, description: str) -> Parameter:
    """Describe an optional date; its value is the number of that UTC day since 1970."""

    def read(text: str) -> int:
        if _DAY.fullmatch(text) is None:
            raise ValueError("not a day")
        at = datetime.fromisoformat(text).replace(tzinfo=UTC)
        _check_year(at)
        return round(at.timestamp() * 1000) // DAY_MS

    schema = {"type": "string", "format": "date"}
    expected = "a day such as 2026-11-22"
    return Parameter(name, description, expected, schema, read, is_stricter_than_schema=True)


def cursor(name: str, description: str, read: Callable[[str], Json]) -> Parameter:
    """Describe an optional cursor; `read` raises `ValueError` for text that is none."""
    schema = {"type": "string", "pattern": CURSOR_PATTERN}
    expected = "the `cursor` of an earlier response"
    return Parameter(name, description, expected, schema, read, is_stricter_than_schema=True)


def _check_year(at: datetime) -> None:
    if not constants.FIRST_YEAR <= at.year < constants.LAST_YEAR:
        raise ValueError("out of range")
