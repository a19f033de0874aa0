"""The routes of the public pages' data; `api.routes` has all routes of the dispatcher."""

from __future__ import annotations

from analytics import WINDOWS
from api.spec import (
    NOT_MODIFIED,
    READING,
    Route,
    Success,
    choice,
    lenient_number,
    range_name,
    required_text,
    short_text,
    whole_number,
    window_name,
)
from core import constants
from core.errors import (
    BindingMissing,
    ConfigurationError,
    InternalError,
    InvalidParameter,
    InvalidWindow,
    NotFound,
)
from tenants.catalog import APIS_MAX as CATALOG_APIS_MAX
from tenants.records import SLUG

USAGE_SECONDS = 30
"""How long the use of one API is cached."""

ID_LENGTH_MAX = 300
"""Characters of an API's id: that of a tenant has up to 200, a colon and the slug follow it."""

SEARCH_LENGTH_MAX = 200

EXPLORE_RANGES = ("24h", "7d", "30d", "90d", "all")
"""Ranges of the public page that end now."""

CATALOG_SORTS = (
    "rank",
    "endpoint",
    "title",
    "price",
    "calls",
    "revenue",
    "callers",
    "latency",
    "uptime",
    "errors",
)
"""What the list of APIs can be sorted by."""

EXPLORE = Route(
    "/api/explore/analytics",
    "explore",
    "The data of the public page: the catalog of live APIs, with what the page shows of a window",
    READING,
    (
        Success("The snapshot; an empty one if analytics are unavailable.", "AnyExplore"),
        NOT_MODIFIED,
    ),
    (InvalidWindow, InvalidParameter, InternalError),
    description="No token is needed. Caches may store the response for a few seconds. The filters"
    " and the order are those of the lists of APIs; all other numbers are those of all APIs.",
    parameters=(
        window_name("window", "The window; `today` by default.", WINDOWS),
        range_name(
            "range",
            "A range in place of the window: the last 24 clock hours, the UTC days until today, or"
            " one UTC day. Distinct callers of an API are only counted in `7d` and `all`, which"
            " equal `week` and `overall`; other ranges rank by calls.",
            EXPLORE_RANGES,
        ),
        lenient_number(
            "top",
            f"The largest length of `topApis`; an invalid value means {constants.TOP_DEFAULT}.",
            constants.TOP_DEFAULT,
            constants.TOP_MAX,
        ),
        short_text(
            "q",
            "Words that all occur in endpoint, owner, category, title, tags or description.",
            SEARCH_LENGTH_MAX,
        ),
        short_text("category", "The only category to list.", constants.TEXT_LENGTH_MAX),
        short_text("owner", "The only owner to list.", constants.TEXT_LENGTH_MAX + 1),
        short_text("tag", "The only tag to list.", constants.TEXT_LENGTH_MAX),
        short_text("api", "The slug or the id of the only API to list.", ID_LENGTH_MAX),
        choice("sort", "What to sort by.", CATALOG_SORTS),
        choice("order", "The order of what is sorted by.", ("asc", "desc")),
        whole_number("offset", "The number of APIs to leave out.", 0, CATALOG_APIS_MAX, minimum=0),
        whole_number(
            "limit",
            "The largest length of `allApis`.",
            constants.ALL_APIS_MAX,
            constants.ALL_APIS_MAX,
        ),
    ),
    is_conditional=True,
)

EXPLORE_USAGE = Route(
    "/api/explore/usage",
    "exploreUsage",
    "The data of one API's public page: its use over time, and its newest payments",
    READING,
    (Success("The use of the API; `ok` is false if analytics are unavailable.", "AnyUse"),),
    (InvalidParameter, NotFound, BindingMissing, ConfigurationError, InternalError),
    description="No token is needed. Nothing in it identifies a caller. Caches may store the"
    f" response for {USAGE_SECONDS} seconds.",
    parameters=(
        required_text("api", "The API's slug.", SLUG, "the slug of an API"),
        choice(
            "range",
            "`24h` and `7d` are clock hours until now, `30d` and `90d` UTC days with today.",
            ("7d", "24h", "30d", "90d"),
        ),
    ),
)
