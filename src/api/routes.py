"""The table of routes that the dispatcher serves, with their parameters, scopes and responses.

Requests are read by this table, and `python -m dev.openapi` writes the OpenAPI document
from it: run that after a change.
"""

from __future__ import annotations

from collections.abc import Mapping

from analytics import WINDOWS
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
from tenants.admission import CapExceeded, RateLimited, UsageQuotaExceeded

_PLATFORM_ERRORS = (Unauthorized, RateLimited, BindingMissing, ConfigurationError, InternalError)
_WITH_PARAMETERS = (InvalidParameter, *_PLATFORM_ERRORS)
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
_NOT_MODIFIED = Success(
    "The response has not changed since the one whose `ETag` is in `If-None-Match`.",
    None,
    status=304,
)

HEALTH = Route(
    "/health",
    "serviceHealth",
    "Tells monitors that the dispatcher runs",
    READING,
    (Success("It runs.", "ServiceHealth"),),
    (InternalError,),
    description="At a tenant's host, this path belongs to the tenant.",
)

ANALYTICS = Route(
    "/__platform/analytics",
    "analytics",
    "Calls, callers, revenue, latency and errors of every API",
    READING,
    (Success("The snapshot of one window, or of all.", "AnyAnalytics"), _NOT_MODIFIED),
    (InvalidWindow, *_WITH_PARAMETERS),
    "analytics:read",
    "The `ETag` covers everything except `generatedAt`, `range.endAt`, `freshness.asOf`,"
    " `freshness.lagSeconds` and `previous`. `Cache-Control` is"
    f" `private, max-age={constants.ANALYTICS_AGE_SECONDS}`. If the setting"
    " `ALLOW_PUBLIC_PLATFORM_ANALYTICS` is `true`, it is `public`, and no token is needed.",
    (
        window_name("window", "The window; if it is absent, all windows.", WINDOWS),
        whole_number(
            "top", "The largest length of `topApis`.", constants.TOP_DEFAULT, constants.TOP_MAX
        ),
    ),
    is_conditional=True,
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
        whole_number(
            "limit",
            "The largest number of events in the response.",
            constants.EVENTS_DEFAULT,
            constants.EVENTS_MAX,
        ),
        cursor("cursor", "The `cursor` of the previous page.", decode_position),
    ),
    cursor_parameter="cursor",
)

SETTLEMENTS = Route(
    "/__platform/settlements",
    "settlements",
    "Settlement events, newest payment first",
    READING,
    (Success("A page of settlement events.", "Settlements"),),
    _WITH_PARAMETERS,
    "events:read",
    parameters=(
        whole_number(
            "limit",
            "The largest number of events in the response.",
            constants.SETTLEMENTS_DEFAULT,
            constants.SETTLEMENTS_MAX,
        ),
        cursor("cursor", "The `cursor` of the previous page.", decode_listing),
    ),
    cursor_parameter="cursor",
)

RECONCILIATION = Route(
    "/__platform/reconciliation",
    "reconciliation",
    "Compares the ledger with the settlement events of a day",
    READING,
    (Success("The totals of both, and the payments that differ.", "Reconciliation"),),
    _WITH_PARAMETERS,
    "events:read",
    parameters=(day("day", "The UTC day on which payments were presented; today by default."),),
)

PLATFORM_HEALTH = Route(
    "/__platform/health",
    "health",
    "Configuration, problems, and the state of the usage log",
    READING,
    (Success("The report; `healthy` is false if there are problems.", "Health"),),
    _PLATFORM_ERRORS,
    "analytics:read",
    "Takes at most 12 KV operations. A store that cannot be read is a problem in the report, not"
    " an error response.",
)

COMPACT = Route(
    "/__platform/compact",
    "compact",
    "Rebuilds the summaries of a range from the usage log",
    WRITING,
    (Success("The number of rebuilt summaries, and those that changed.", "Compaction"),),
    _WITH_PARAMETERS,
    "admin",
    f"The range is at most {constants.REBUILD_MINUTES_MAX} minutes long and within the last"
    f" {constants.REBUILD_DAYS} days. `complete` is false if {constants.COMPACTION_OPERATIONS} KV"
    " operations were not enough, or if an error stopped it. It is safe to repeat.",
    (
        instant("from", "The first minute, as an RFC 3339 time; seconds are optional."),
        instant("to", "The minute after the last one; it must be later than `from`."),
    ),
)

METRICS = Route(
    "/__platform/metrics",
    "metrics",
    "Metrics for monitoring, as OpenMetrics text",
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
    is_conditional=True,
)

EXPLORE = Route(
    "/api/explore/analytics",
    "explore",
    "The data of the public page: a snapshot reduced to what the page shows",
    READING,
    (
        Success("The snapshot; an empty one if analytics are unavailable.", "AnyExplore"),
        _NOT_MODIFIED,
    ),
    (InvalidWindow, InvalidParameter, InternalError),
    description="No token is needed. Caches may store the response for a few seconds.",
    parameters=(
        window_name("window", "The window; `today` by default.", WINDOWS),
        lenient_number(
            "top",
            f"The largest length of `topApis`; an invalid value means {constants.TOP_DEFAULT}.",
            constants.TOP_DEFAULT,
            constants.TOP_MAX,
        ),
    ),
    is_conditional=True,
)

TENANT = Route(
    "/t/{slug}/{path}",
    "call",
    "The API published under this slug",
    ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"),
    (Success("The response of the API's script, streamed.", None, status=None),),
    _TENANT_ERRORS,
    description="The script receives the request with the path after the slug and with the query."
    " It also receives requests to `/t/SLUG`, and those to the API's own hosts with any path except"
    " `/__platform`. The errors are the dispatcher's; a script may use the same statuses for other"
    " responses.",
    path_parameters={
        "slug": {"type": "string", "description": "The API's slug."},
        "path": {
            "type": "string",
            "description": "The path that the script receives; any number of segments, or none. Dot"
            " segments are resolved first, so `/t/SLUG/../../x` is `/x`.",
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
"""Routes that tenants' scripts serve; the errors are the dispatcher's."""

PLATFORM_ROUTES: Mapping[str, Route] = {
    route.path: route for route in ROUTES if route.scope is not None
}
"""The routes below `/__platform`, by path."""
