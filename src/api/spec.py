"""Query parameters: what they may be, described and checked by the same values.

Owns the kinds of parameters there are. The description of the platform API is
made of them: requests are read with them, and the OpenAPI document is written
from them, so neither can say what the other does not. Refuses a described
parameter that is given twice, since whoever else reads the URL may take the
other one. Ignores parameters that nobody described: caches and trackers add
theirs to any URL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from api.pagination import CURSOR_PATTERN
from core import constants
from core.calendar import MINUTES_PER_DAY, minute_of
from core.errors import DispatcherError, InvalidParameter, InvalidWindow
from core.ports import Json

Shape = Mapping[str, Json]
"""JSON Schema 2020-12, which OpenAPI 3.1 uses as it is."""

Pairs = Sequence[tuple[str, str]]
Values = Mapping[str, Json]
"""What a request asks for: by name of the parameter, as it was read; its default if not given."""

PARAMETERS_MAX = 100
"""Parameters that a query may have, described or not."""

_DIGITS = re.compile(r"[0-9]{1,9}")

_TIME_PATTERN = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})$"
)

_TIME = re.compile(_TIME_PATTERN)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One query parameter.

    `read` takes its text and raises `ValueError` when that is none; `shape`
    says the same as JSON Schema, and `expected` in words that follow "must be".
    `depends` tells that a text of this shape may be refused all the same: for
    the time it is, or because no answer gave it.
    """

    name: str
    description: str
    expected: str
    shape: Shape
    read: Callable[[str], Json]
    default: Json = None
    is_required: bool = False
    depends: bool = False

    def refusal(self) -> InvalidParameter:
        """Make the error of a request whose value is none."""
        return InvalidParameter(self.name, self.expected)


@dataclass(frozen=True, slots=True)
class WindowParameter(Parameter):
    """The name of a window, which has an error of its own."""

    def refusal(self) -> InvalidParameter:
        """Name the windows there are."""
        return InvalidWindow(self.shape["enum"])


def query_pairs(query: str) -> Pairs:
    """Take a query apart that is empty or starts with `?`.

    Raises `InvalidParameter` when it has more than `PARAMETERS_MAX` of them.
    """
    try:
        return parse_qsl(query[1:], keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
    except ValueError as error:
        raise InvalidParameter("query", f"at most {PARAMETERS_MAX} parameters") from error


def read_parameters(parameters: Sequence[Parameter], pairs: Pairs) -> Values:
    """Read what a route takes from a query.

    Raises `InvalidParameter` for the first parameter that is wrong.
    """
    values: dict[str, Json] = {}
    for parameter in parameters:
        given = [value for name, value in pairs if name == parameter.name]
        if len(given) > 1:
            raise InvalidParameter(parameter.name, "given once")
        if not given and not parameter.is_required:
            values[parameter.name] = parameter.default
            continue
        try:
            values[parameter.name] = parameter.read("".join(given))
        except ValueError:
            raise parameter.refusal() from None
    return values


def window_name(name: str, description: str, windows: Sequence[str]) -> Parameter:
    """One of the windows there are, or none."""

    def read(text: str) -> str:
        if text not in windows:
            raise ValueError("it is no window")
        return text

    shape = {"type": "string", "enum": list(windows)}
    return WindowParameter(name, description, f"one of {', '.join(windows)}", shape, read)


def whole_number(name: str, description: str, default: int, most: int) -> Parameter:
    """A whole number from 1 to `most`."""

    def read(text: str) -> int:
        # Longer texts are no such number, and Python would take them however long they are.
        value = int(text) if _DIGITS.fullmatch(text) else 0
        if not 1 <= value <= most:
            raise ValueError("it is out of bounds")
        return value

    shape = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    expected = f"a whole number from 1 to {most}"
    return Parameter(name, description, expected, shape, read, default)


def lenient_number(name: str, description: str, default: int, most: int) -> Parameter:
    """A whole number from 1 to `most`, which larger ones mean, too; anything else: `default`."""

    def read(text: str) -> int:
        digits = text.lstrip("0") if text.isascii() and text.isdigit() else ""
        # Python would take a text of any length for a number, and time over it.
        if len(digits) > len(str(most)):
            return most
        return min(int(digits), most) if digits else default

    number = whole_number(name, description, default, most)
    shape = {"anyOf": [number.shape, {"type": "string"}], "default": default}
    return replace(number, shape=shape, read=read, expected="anything")


def instant(name: str, description: str) -> Parameter:
    """A time with a zone, which is needed; it is read as the UTC minute that it is in."""

    def read(text: str) -> int:
        # A time without a zone could be anybody's.
        if _TIME.fullmatch(text) is None:
            raise ValueError("it is no time")
        at = datetime.fromisoformat(text)
        _check_year(at)
        return minute_of(at)

    shape = {"type": "string", "pattern": _TIME_PATTERN}
    expected = "a time such as 2026-11-22T18:00Z"
    return Parameter(name, description, expected, shape, read, is_required=True, depends=True)


def day(name: str, description: str) -> Parameter:
    """A date, read as the number of that UTC day since 1970."""

    def read(text: str) -> int:
        if _DAY.fullmatch(text) is None:
            raise ValueError("it is no day")
        at = datetime.fromisoformat(text).replace(tzinfo=UTC)
        _check_year(at)
        return minute_of(at) // MINUTES_PER_DAY

    shape = {"type": "string", "format": "date"}
    return Parameter(name, description, "a day such as 2026-11-22", shape, read, depends=True)


def cursor(name: str, description: str, read: Callable[[str], Json]) -> Parameter:
    """The cursor of an earlier answer; `read` raises `ValueError` for any other text."""
    shape = {"type": "string", "pattern": CURSOR_PATTERN}
    expected = "the `cursor` of an earlier answer"
    return Parameter(name, description, expected, shape, read, depends=True)


def _check_year(at: datetime) -> None:
    if not constants.FIRST_YEAR <= at.year < constants.LAST_YEAR:
        raise ValueError("it is out of range")


READING = ("GET", "HEAD")
WRITING = ("POST",)
JSON = "application/json"
HTML = "text/html"
OPENMETRICS = "application/openmetrics-text"


@dataclass(frozen=True, slots=True)
class Success:
    """An answer without an error: `schema` names its shape in the document, None for no body."""

    description: str
    schema: str | None
    media_type: str = JSON
    status: int | None = 200
    """None for any that is not described otherwise."""


@dataclass(frozen=True, slots=True)
class Route:
    """One path.

    `name` is the operation's, `scope` what a token must be good for (None: no
    token is asked for), `errors` what a request to it may end with beside a
    method that is not its own. `is_kept` tells that clients may keep the
    answers and ask with `If-None-Match`. `next_page` names the parameter that
    takes the answer's `cursor`, `places` the variable parts of the path.
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
    is_kept: bool = False
    next_page: str | None = None
    places: Mapping[str, Shape] = field(default_factory=dict)
