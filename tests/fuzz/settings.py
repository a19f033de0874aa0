"""The configuration of schemathesis.

Every check is on except `ignored_auth`, which sends hundreds of invalid tokens; the dispatcher
throttles these, and other tests check that a token is required.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from api import routes as api_routes
from api.explore.routes import EXPLORE_USAGE
from api.spec import Route


def settings(url: str, token: str, now: datetime) -> str:
    """Return the configuration as TOML."""
    times = [_time(now - timedelta(minutes=minutes)) for minutes in (-5, 0, 1, 2, 10, 60, 170)]
    days = [f"{(now - timedelta(days=days)).astimezone(UTC):%Y-%m-%d}" for days in (-1, 0, 1, 30)]
    depending = [
        route.path
        for route in api_routes.ROUTES
        if any(parameter.is_stricter_than_schema for parameter in route.parameters)
        and route is not EXPLORE_USAGE
    ]
    tenants = [route.path for route in api_routes.TENANT_ROUTES]
    return f"""\
base-url = {json.dumps(url)}
hooks = "tests.fuzz.hooks"
headers = {{ Authorization = {json.dumps(f"Bearer {token}")} }}
continue-on-failure = true
request-timeout = 30

[dictionaries]
times.values = {json.dumps(times)}
days.values = {json.dumps(days)}
limits.values = [1, 2, 2000]
slugs.values = ["sold", "sold-beside", "given", "missing"]

[parameters]
"query.from" = {{ dictionary = "times", probability = 0.7 }}
"query.to" = {{ dictionary = "times", probability = 0.7 }}
"query.limit" = {{ dictionary = "limits", probability = 0.5 }}
"query.api" = {{ dictionary = "slugs", probability = 0.7 }}
"query.day" = {{ dictionary = "days", probability = 0.7 }}
"path.slug" = {{ dictionary = "slugs", probability = 0.5 }}

[checks]
ignored_auth.enabled = false

# A value that matches its schema may be out of range, or the cursor of no response.
[[operations]]
include-path = {json.dumps(depending)}
checks.positive_data_acceptance.expected-statuses = ["2xx", "304", "400"]

# There may be no API with a slug.
[[operations]]
include-path = {json.dumps([EXPLORE_USAGE.path])}
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404"]

# Events are either imported or taken back, which no schema of single parameters says.
[[operations]]
include-path = {json.dumps([api_routes.IMPORT.path])}
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "409"]

# Scripts accept any method and any path; priced ones require payment.
[[operations]]
include-path = {json.dumps(tenants)}
checks.positive_data_acceptance.enabled = false
checks.unsupported_method.enabled = false
"""


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def operations_of(routes: Sequence[Route]) -> set[str]:
    """Return the operations of routes as the counts name them, without statuses."""
    return {f"{method} {route.path}" for route in routes for method in route.methods}
