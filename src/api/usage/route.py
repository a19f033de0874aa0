"""Serves `GET /__platform/usage`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analytics import Analytics
from api.spec import Values
from api.usage.parameters import wanted_range
from api.usage.response import usage_csv, usage_json
from core.errors import InvalidParameter
from core.ports import Clock, Response
from core.responses import accepted_weight
from snapshots.usage_ranges import RangeTooLarge


async def usage_response(
    analytics: Analytics,
    clock: Clock,
    values: Values,
    headers: Mapping[str, str],
    tenants: Sequence[str] | None,
    request_id: str,
) -> Response:
    """Return usage in a range.

    Args:
        analytics: Reads it.
        clock: The clock of this isolate.
        values: The parameters by name.
        headers: Those of the request, by lower-case name.
        tenants: The tenants that the token may see; None for all.
        request_id: The id of the request.

    Raises:
        InvalidParameter: The parameters do not fit each other, or the time.
        ShardUnavailable: No shard responded.
    """
    now_ms = clock.now_ms()
    wanted = wanted_range(values, now_ms, tenants)
    try:
        usage = await analytics.usage(wanted.range)
    except RangeTooLarge as error:
        expected = f"closer to `from`, or `tenant`, `api` or a longer `interval` given: {error}"
        raise InvalidParameter("to", expected) from error
    if _is_csv_wanted(values["format"], headers.get("accept", "")):
        return usage_csv(usage, wanted, request_id)
    return usage_json(usage, wanted, now_ms, request_id)


def _is_csv_wanted(format_name: str | None, accept: str) -> bool:
    if format_name is not None:
        return format_name == "csv"
    csv = accepted_weight(accept, "text/csv")
    return csv[0] > 0 and csv > accepted_weight(accept, "application/json")
