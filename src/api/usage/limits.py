"""The limits and values of the parameters, which the table of routes needs as well."""

from __future__ import annotations

INTERVALS = ("day", "hour", "month")
KINDS = ("status", "method", "outcome")
GROUPINGS = (*KINDS, "caller", "api", "tenant")
FORMATS = ("json", "csv")
RANGE_DAYS_MAX = 400
"""Days of a range by day or month: a year, and the same month of the year before."""

HOURLY_DAYS_MAX = 40
"""Days of a range by hour."""
