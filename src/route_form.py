"""What there is to say of one route: the form of the table in `api_routes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from errors import DispatcherError
from parameters import Parameter
from shapes import Shape

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
