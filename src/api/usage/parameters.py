"""The parameters of `GET /__platform/usage`, and the range that they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from api.spec import Values
from api.usage.limits import HOURLY_DAYS_MAX, KINDS, RANGE_DAYS_MAX
from core.calendar import DAY_MS, HOUR_MS
from core.errors import InvalidParameter
from metering.usage.ranges import UsageRange


class Wanted(NamedTuple):
    """What a request wants: the range, and its bounds in milliseconds since 1970 UTC."""

    range: UsageRange
    start_ms: int
    end_ms: int


def wanted_range(values: Values, now_ms: int, tenants: Sequence[str] | None) -> Wanted:
    """Return the range that a request means: all buckets that it touches, up to the current one.

    Args:
        values: The parameters by name.
        now_ms: The current time, in milliseconds since 1970 UTC.
        tenants: The tenants that the token may see; None for all.

    Raises:
        InvalidParameter: A parameter does not fit the others, or the time.
    """
    from_ms, to_ms = values["from"], values["to"]
    interval, group_by = values["interval"], values["groupBy"]
    if from_ms > now_ms:
        raise InvalidParameter("from", "a time that is not in the future")
    if to_ms is None:
        to_ms = now_ms
    if to_ms <= from_ms:
        raise InvalidParameter("to", "later than `from`")
    most = HOURLY_DAYS_MAX if interval == "hour" else RANGE_DAYS_MAX
    if to_ms - from_ms > most * DAY_MS:
        by = "hour" if interval == "hour" else "day or month"
        raise InvalidParameter("to", f"at most {most} days after `from`, by {by}")
    if interval == "hour" and group_by in (*KINDS, "caller"):
        raise InvalidParameter("interval", f"day or month with groupBy={group_by}")
    if group_by == "caller" and values["api"] is None:
        raise InvalidParameter("api", "given with groupBy=caller, which is of one API")
    width_ms = HOUR_MS if interval == "hour" else DAY_MS
    first, end = from_ms // width_ms, min(-(-to_ms // width_ms), now_ms // width_ms + 1)
    tenant = values["tenant"]
    if tenant is not None:
        tenants = [tenant] if tenants is None or tenant in tenants else []
    found = UsageRange(interval, first, end, tenants, values["api"], group_by)
    return Wanted(found, first * width_ms, end * width_ms)
