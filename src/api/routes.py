"""Every route that the dispatcher answers itself: its methods, parameters, scope and answers.

Owns the table. Routes, parameters and methods are looked up in it when a
request comes, and the OpenAPI document is written from it. Refuses to answer.
"""

from __future__ import annotations

from collections.abc import Mapping

from api.pagination import decode_listing, decode_position
from api.spec import (
    OPENMETRICS,
    READING,
    WRITING,
    Route,
    Success,
    cursor,
    day,
    instant,
    lenient_number,
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
    TenantLimitExceeded,
    TenantNotFound,
    TenantWorkerFailure,
    Unauthorized,
    WorkerNotFound,
)
from payments.errors import (
    FacilitatorUnavailable,
    PaymentAlreadyUsed,
    PaymentFailed,
    PaymentInProgress,
    PaymentInvalid,
    PaymentRequired,
)
from snapshots.render import WINDOWS
from tenants.admission import CapExceeded, RateLimited, UsageQuotaExceeded

_PLATFORM_ERRORS = (Unauthorized, RateLimited, BindingMissing, ConfigurationError, InternalError)
_WITH_PARAMETERS = (InvalidParameter, *_PLATFORM_ERRORS)
_NOT_MODIFIED = Success("The figures are those of the tag in `If-None-Match`.", None, status=304)
_WINDOW = "The window; without it, all of them are given."

HEALTH = Route(
    "/health",
    "serviceHealth",
    "Whether the dispatcher answers, for monitors",
    READING,
    (Success("It does.", "ServiceHealth"),),
    (InternalError,),
    description="At a tenant's host this path is the tenant's.",
)

ANALYTICS = Route(
    "/__platform/analytics",
    "analytics",
    "What was called, by whom, how fast and how well",
    READING,
    (Success("One window, or all of them.", "AnyAnalytics"), _NOT_MODIFIED),
    (InvalidWindow, *_WITH_PARAMETERS),
    "analytics:read",
    "The `ETag` is over everything that is shown but when it was made, how fresh it is and what"
    " was before (`generatedAt`, `range.endAt`, `freshness.asOf` and `lagSeconds`, `previous`)."
    f" `Cache-Control` is `private, max-age={constants.ANALYTICS_AGE_SECONDS}`, or `public` when"
    " the setting `ALLOW_PUBLIC_PLATFORM_ANALYTICS` opens this route to all; no token is needed"
    " then.",
    (
        window_name("window", _WINDOW, WINDOWS),
        whole_number(
            "top", "How many APIs `topApis` has.", constants.TOP_DEFAULT, constants.TOP_MAX
        ),
    ),
    is_kept=True,
)

EVENTS = Route(
    "/__platform/events",
    "events",
    "Usage events, newest first",
    READING,
    (Success("A page of events.", "Events"),),
    _WITH_PARAMETERS,
    "events:read",
    parameters=(
        whole_number("limit", "How many events.", constants.EVENTS_DEFAULT, constants.EVENTS_MAX),
        cursor("cursor", "Where the page before ended.", decode_position),
    ),
    next_page="cursor",
)

SETTLEMENTS = Route(
    "/__platform/settlements",
    "settlements",
    "Settlement events, those of the newest payments first",
    READING,
    (Success("A page of settlement events.", "Settlements"),),
    _WITH_PARAMETERS,
    "events:read",
    parameters=(
        whole_number(
            "limit", "How many events.", constants.SETTLEMENTS_DEFAULT, constants.SETTLEMENTS_MAX
        ),
        cursor("cursor", "Where the page before ended.", decode_listing),
    ),
    next_page="cursor",
)

RECONCILIATION = Route(
    "/__platform/reconciliation",
    "reconciliation",
    "The ledger and the settlement events of a day, compared",
    READING,
    (Success("Both sides, and what differs.", "Reconciliation"),),
    _WITH_PARAMETERS,
    "events:read",
    parameters=(day("day", "The UTC day when payments were presented; today's by default."),),
)

PLATFORM_HEALTH = Route(
    "/__platform/health",
    "health",
    "What is configured, what is wrong with it, and how the log fares",
    READING,
    (Success("The report; `healthy` says whether anything is wrong.", "Health"),),
    _PLATFORM_ERRORS,
    "analytics:read",
    "All of it takes at most 12 KV operations. Whatever cannot be looked at is a problem in the"
    " report, never an error of it.",
)

COMPACT = Route(
    "/__platform/compact",
    "compact",
    "Makes the summaries of a range again from the log",
    WRITING,
    (Success("What was made, and what came out differently.", "Compaction"),),
    _WITH_PARAMETERS,
    "admin",
    f"The range is at most {constants.REBUILD_MINUTES_MAX} minutes long and within the last"
    f" {constants.REBUILD_DAYS} days. `complete` is false when {constants.COMPACTION_OPERATIONS} KV"
    " operations were not enough, or when it was stopped. Doing it twice does no harm.",
    (
        instant("from", "The first minute: a time of RFC 3339, seconds may be left out."),
        instant("to", "The minute after the last, later than `from`."),
    ),
)

METRICS = Route(
    "/__platform/metrics",
    "metrics",
    "Figures for monitoring, as OpenMetrics text",
    READING,
    (Success("The metrics.", "Metrics", OPENMETRICS),),
    _PLATFORM_ERRORS,
    "analytics:read",
)

OPENAPI = Route(
    "/__platform/openapi.json",
    "openapi",
    "This document",
    READING,
    (Success("OpenAPI 3.1.", "OpenApi"), _NOT_MODIFIED),
    (Unauthorized, RateLimited, InternalError),
    "analytics:read",
    is_kept=True,
)

EXPLORE = Route(
    "/api/explore/analytics",
    "explore",
    "What the public page reads: a snapshot reduced to what it shows",
    READING,
    (
        Success("The snapshot, or an empty one when there is none to be had.", "AnyExplore"),
        _NOT_MODIFIED,
    ),
    (InvalidWindow, InvalidParameter, InternalError),
    description="No token is needed. Caches may keep it for a few seconds.",
    parameters=(
        window_name("window", "The window; `today` by default.", WINDOWS),
        lenient_number(
            "top",
            f"How many APIs `topApis` has; nonsense means {constants.TOP_DEFAULT}.",
            constants.TOP_DEFAULT,
            constants.TOP_MAX,
        ),
    ),
    is_kept=True,
)

_TENANT_ERRORS = (
    InvalidParameter,
    PaymentRequired,
    PaymentInvalid,
    PaymentFailed,
    CapExceeded,
    NotFound,
    TenantNotFound,
    WorkerNotFound,
    PaymentAlreadyUsed,
    PaymentInProgress,
    RateLimited,
    UsageQuotaExceeded,
    BindingMissing,
    ConfigurationError,
    InternalError,
    TenantWorkerFailure,
    TenantLimitExceeded,
    FacilitatorUnavailable,
)

TENANT = Route(
    "/t/{slug}/{path}",
    "call",
    "The API published under this slug",
    ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"),
    (Success("Whatever the API's script answers, streamed.", None, status=None),),
    _TENANT_ERRORS,
    description="The script gets the request with the path behind the slug, and the query. So it"
    " does at `/t/SLUG` alone, and at the hosts of the API with every path but those of the"
    " dispatcher itself. The errors are the dispatcher's; a script may answer the same statuses"
    " with whatever it likes.",
    places={
        "slug": {"type": "string", "description": "The API's name."},
        "path": {
            "type": "string",
            "description": "What the script gets; it may have any number of segments, or none. Dot"
            " segments are resolved first, so one that climbs out of `/t` is another path.",
        },
    },
)

ROUTES = (
    HEALTH,
    EXPLORE,
    ANALYTICS,
    EVENTS,
    SETTLEMENTS,
    RECONCILIATION,
    PLATFORM_HEALTH,
    COMPACT,
    METRICS,
    OPENAPI,
)

TENANT_ROUTES = (TENANT,)
"""Where scripts answer, and what the dispatcher answers in their place."""

PLATFORM_ROUTES: Mapping[str, Route] = {
    route.path: route for route in ROUTES if route.scope is not None
}
"""The routes below `/__platform`, by path."""
