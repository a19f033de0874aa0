"""The table of routes that the dispatcher serves, with their parameters, scopes and responses.

Requests are read by this table, and `python -m dev.openapi` writes the OpenAPI document
from it: run that after a change.
"""

from __future__ import annotations

from collections.abc import Mapping

from analytics import WINDOWS
from api.catalog.routes import CATALOG, LLMS, ROBOTS, SITEMAP, X402
from api.explore.routes import EXPLORE, EXPLORE_USAGE
from api.imports.parameters import DESCRIPTION, ERRORS, PARAMETERS
from api.pagination import decode_claim, decode_places
from api.spec import (
    CSV,
    NOT_MODIFIED,
    OPENMETRICS,
    READING,
    WRITING,
    Route,
    Success,
    choice,
    cursor,
    day,
    identifier,
    moment,
    whole_number,
    window_name,
)
from api.usage.limits import FORMATS, GROUPINGS, HOURLY_DAYS_MAX, INTERVALS, RANGE_DAYS_MAX
from core import constants
from core.errors import (
    BindingMissing,
    ClientClosedRequest,
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
    PaymentIdentifierRequired,
    PaymentInProgress,
    PaymentInvalid,
    PaymentRequired,
)
from tenants.admission import CapExceeded, RateLimited, UsageQuotaExceeded

_PLATFORM_ERRORS = (
    InvalidParameter,
    Unauthorized,
    RateLimited,
    BindingMissing,
    ConfigurationError,
    InternalError,
)
_TENANT_ERRORS = (
    InvalidParameter,
    PaymentIdentifierRequired,
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
    ClientClosedRequest,
    BindingMissing,
    ConfigurationError,
    InternalError,
    TenantWorkerFailure,
    TenantLimitExceeded,
    FacilitatorUnavailable,
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
    (Success("The snapshot of one window, or of all.", "AnyAnalytics"), NOT_MODIFIED),
    (InvalidWindow, *_PLATFORM_ERRORS),
    "analytics:read",
    "The `ETag` covers everything except `generatedAt`, `range.endAt`, `freshness.asOf` and"
    " `freshness.lagSeconds`. `Cache-Control` is"
    f" `private, max-age={constants.ANALYTICS_AGE_SECONDS}`. If the setting"
    " `ALLOW_PUBLIC_PLATFORM_ANALYTICS` is `true`, it is `public`, and no token is needed.",
    (
        window_name("window", "The window; if it is absent, all windows.", WINDOWS),
        whole_number(
            "top", "The largest length of `topApis`.", constants.TOP_DEFAULT, constants.TOP_MAX
        ),
    ),
    is_conditional=True,
    is_by_tenant=True,
)

EVENTS = Route(
    "/__platform/events",
    "events",
    "Usage events, newest first",
    READING,
    (Success("A page of events.", "Events"),),
    _PLATFORM_ERRORS,
    "events:read",
    parameters=(
        whole_number(
            "limit",
            "The largest number of events in the response.",
            constants.EVENTS_DEFAULT,
            constants.EVENTS_MAX,
        ),
        cursor("cursor", "The `cursor` of the previous page.", decode_places),
    ),
    cursor_parameter="cursor",
    is_by_tenant=True,
)

SETTLEMENTS = Route(
    "/__platform/settlements",
    "settlements",
    "Settlement events, newest payment first",
    READING,
    (Success("A page of settlement events.", "Settlements"),),
    _PLATFORM_ERRORS,
    "events:read",
    parameters=(
        whole_number(
            "limit",
            "The largest number of events in the response.",
            constants.SETTLEMENTS_DEFAULT,
            constants.SETTLEMENTS_MAX,
        ),
        cursor("cursor", "The `cursor` of the previous page.", decode_claim),
    ),
    cursor_parameter="cursor",
    is_by_tenant=True,
)

RECONCILIATION = Route(
    "/__platform/reconciliation",
    "reconciliation",
    "Compares the ledger with the settlement events of a day",
    READING,
    (Success("The totals of both, and the payments that differ.", "Reconciliation"),),
    _PLATFORM_ERRORS,
    "events:read",
    parameters=(day("day", "The UTC day on which payments were presented; today by default."),),
    is_by_tenant=True,
)

PLATFORM_HEALTH = Route(
    "/__platform/health",
    "health",
    "Configuration, problems, and the state of the usage log",
    READING,
    (Success("The report; `healthy` is false if there are problems.", "Health"),),
    _PLATFORM_ERRORS,
    "analytics:read",
    "A store or a shard that does not respond is a problem in the report, not an error response.",
)

COMPACT = Route(
    "/__platform/compact",
    "compact",
    "Rebuilds the totals of UTC days from the log",
    WRITING,
    (Success("What was rebuilt, and which days changed.", "Compaction"),),
    _PLATFORM_ERRORS,
    "admin",
    f"Every UTC day in the range is rebuilt, at most {constants.REBUILD_DAYS_MAX} days. After"
    f" {constants.REBUILD_MS // 1000} seconds, the response says where to go on: if `complete` is"
    " false, repeat the request with `from` set to `next`. If the log is intact, no day changes. It"
    " is safe to repeat.",
    (
        moment("from", "The first day, or a time in it."),
        moment("to", "The day after the last one, or a later time; it must be after `from`."),
    ),
)

IMPORT = Route(
    "/__platform/import",
    "import",
    "Imports events of an older log; each is counted once",
    WRITING,
    (Success("What was imported, or undone.", "AnyImport"),),
    (*_PLATFORM_ERRORS, *ERRORS),
    "events:write",
    DESCRIPTION,
    PARAMETERS,
)

USAGE = Route(
    "/__platform/usage",
    "usage",
    "Usage in any range: by hour, day or month, of an API, a tenant or all",
    READING,
    (
        Success(
            "The rows, their totals, and how fresh and exact they are; or the rows as CSV.",
            "Usage",
            other_types={CSV: "UsageCsv"},
            headers=("vary", "content-disposition", "x-clawr-usage-complete"),
        ),
    ),
    _PLATFORM_ERRORS,
    "analytics:read",
    "Without `groupBy` there is a row for each hour, day or month, also for those without calls."
    " The range is extended to whole hours (`interval=hour`) or whole UTC days, and ends with the"
    " current one; `range` has the result. A month at the edge of the range has only the days in"
    " the range. `tenant` and `api` may name something that does not exist: its usage is 0."
    f" By day or month, a range has at most {RANGE_DAYS_MAX} days, by hour {HOURLY_DAYS_MAX}, and"
    " at most 20,000 rows. `groupBy=caller` needs `api`. Hours can only be grouped by API or"
    " tenant.",
    (
        moment("from", "The first UTC day or instant of the range."),
        moment("to", "The end of the range, exclusive; now by default.", is_required=False),
        choice("interval", "The time that a row covers.", INTERVALS),
        identifier("tenant", "Only APIs of this tenant, by its id.", "ten_meridian_feasts"),
        identifier("api", "Only APIs with this slug.", "feasts"),
        choice("groupBy", "Divides the rows.", GROUPINGS, has_default=False),
        choice("format", "By default, what `Accept` prefers.", FORMATS, has_default=False),
    ),
    is_by_tenant=True,
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
    (Success("OpenAPI 3.1.", "OpenApi"), NOT_MODIFIED),
    (InvalidParameter, Unauthorized, RateLimited, InternalError),
    "analytics:read",
    is_conditional=True,
    is_by_tenant=True,
)

TENANT = Route(
    "/t/{slug}/{path}",
    "call",
    "The API published under this slug",
    ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"),
    (Success("The response of the API's script, streamed.", None, status=None),),
    _TENANT_ERRORS,
    description="The script receives the request with the path after the slug and with the query,"
    " and what precedes that path, `/t/SLUG`, as `x-forwarded-prefix`."
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
    EXPLORE_USAGE,
    CATALOG,
    X402,
    LLMS,
    ROBOTS,
    SITEMAP,
    ANALYTICS,
    EVENTS,
    SETTLEMENTS,
    RECONCILIATION,
    PLATFORM_HEALTH,
    USAGE,
    COMPACT,
    IMPORT,
    METRICS,
    OPENAPI,
)

TENANT_ROUTES = (TENANT,)
"""Routes that tenants' scripts serve; the errors are the dispatcher's."""

PLATFORM_ROUTES: Mapping[str, Route] = {
    route.path: route for route in ROUTES if route.scope is not None
}
"""The routes below `/__platform`, by path."""
