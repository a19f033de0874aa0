"""The response of `GET /__platform/usage`: rows as JSON, or as CSV (RFC 4180)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from api.usage.limits import KINDS
from api.usage.parameters import Wanted
from core.calendar import timestamp
from core.ports import Json, Response
from core.responses import VARY_ON_TOKEN, json_response, text_response
from metering.sketches import distinct, heavy_hitters
from metering.sketches.callers import EXACT_CALLERS_MAX
from metering.sketches.periods import Counts
from metering.usage.callers import CALLERS_MAX
from metering.usage.ranges import UsageRange
from snapshots.ranking import shown_revenue
from snapshots.usage_ranges import Usage, UsageRow

OTHER = "other"
"""The group of all callers that have no row of their own."""

CSV_COLUMNS = (
    "startAt",
    "tenantId",
    "api",
    "group",
    "requests",
    "calls",
    "errors",
    "revenueMicros",
    "revenueUsd",
    "uniqueCallers",
    "latencyMs",
)
COMPLETE_HEADER = "x-clawr-usage-complete"
_VARY = ("vary", f"Accept, {VARY_ON_TOKEN}")
_FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""A cell that starts with one of these, or spaces before it, is a formula for some spreadsheets."""


def usage_json(usage: Usage, wanted: Wanted, now_ms: int, request_id: str) -> Response:
    """Return the rows, their totals, and what they may lack, as JSON."""
    body = {
        "ok": True,
        "requestId": request_id,
        "range": {"startAt": timestamp(wanted.start_ms), "endAt": timestamp(wanted.end_ms)},
        "interval": wanted.range.interval,
        "groupBy": wanted.range.group_by,
        "rows": [shown_row(row, wanted.range) for row in usage.rows],
        "totals": _shown_totals(usage, wanted.range),
        "freshness": _freshness(usage, now_ms),
        "accuracy": _accuracy(usage, wanted.range),
    }
    return json_response(body, request_id, headers=(_VARY,))


def usage_csv(usage: Usage, wanted: Wanted, request_id: str) -> Response:
    """Return the rows as CSV with a header line. A header says whether they are complete."""
    text = "".join(f"{line}\r\n" for line in _csv_lines(usage.rows, wanted.range))
    name = f"usage-{_date(wanted.start_ms)}-{_date(wanted.end_ms)}.csv"
    headers = (
        ("content-type", "text/csv; charset=utf-8; header=present"),
        ("content-disposition", f'attachment; filename="{name}"'),
        (COMPLETE_HEADER, "true" if _is_complete(usage) else "false"),
        _VARY,
    )
    return text_response(text, request_id, headers=headers)


def shown_row(row: UsageRow, wanted: UsageRange) -> Mapping[str, Json]:
    """Return a row as it is shown; unknown fields are null or left out."""
    is_caller = wanted.group_by == "caller"
    shown: dict[str, Json] = {"startAt": _shown_start(row.start_ms)}
    tenant_id = row.tenant_id or _only(wanted)
    if tenant_id:
        shown["tenantId"] = tenant_id
    slug = row.slug or wanted.slug
    if slug:
        shown["api"] = slug
    if wanted.group_by is not None:
        shown["group"] = _group(row, wanted)
    if wanted.group_by in KINDS:
        shown["requests"] = row.requests
    shown |= _shown_sums(row.sums, is_caller=is_caller)
    if row.callers is not None:
        shown["uniqueCallers"] = row.callers
    shown["latencyMs"] = _rounded(row.latency_ms)
    return shown


@lru_cache(maxsize=1_000)
def _shown_start(at_ms: int) -> str:
    """Format the start of a bucket, which many rows have."""
    return timestamp(at_ms)


def _shown_sums(sums: Counts, *, is_caller: bool) -> Mapping[str, Json]:
    if is_caller:
        # A caller's errors and payments are not counted.
        return {"calls": sums.calls, "errors": None, "revenueMicros": None, "revenueUsd": None}
    revenue = shown_revenue(sums.revenue_micros)
    return {"calls": sums.calls, "errors": sums.errors, **revenue}


def _shown_totals(usage: Usage, wanted: UsageRange) -> Mapping[str, Json]:
    sums = usage.totals
    latency_ms = sums.latency_ms / sums.latencies if sums.latencies else None
    is_caller = wanted.group_by == "caller"
    return {**_shown_sums(sums, is_caller=is_caller), "latencyMs": _rounded(latency_ms)}


def _freshness(usage: Usage, now_ms: int) -> Mapping[str, Json]:
    return {
        "asOf": timestamp(usage.as_of_ms),
        "lagSeconds": max(0, now_ms - usage.as_of_ms) // 1000,
        "complete": _is_complete(usage),
        "droppedEvents": usage.dropped,
        "unavailableShards": list(usage.unavailable),
        "missingDays": usage.missing_days,
    }


def _is_complete(usage: Usage) -> bool:
    return not (usage.dropped or usage.unavailable or usage.missing_days)


def _accuracy(usage: Usage, wanted: UsageRange) -> Mapping[str, Json]:
    accuracy: dict[str, Json] = {
        "uniqueCallersExactUpTo": EXACT_CALLERS_MAX,
        "uniqueCallersRelativeErrorMax": distinct.RELATIVE_ERROR_MAX,
    }
    if wanted.group_by == "caller":
        accuracy |= {
            "callersMax": CALLERS_MAX,
            "callerCallsErrorMax": round(usage.fuzzy_calls * heavy_hitters.SHARE_ERROR_MAX),
            "sampledEvents": usage.sampled,
        }
    return accuracy


def _csv_lines(rows: Iterable[UsageRow], wanted: UsageRange) -> Iterator[str]:
    yield ",".join(CSV_COLUMNS)
    for row in rows:
        shown = shown_row(row, wanted)
        yield ",".join(_cell(shown.get(name)) for name in CSV_COLUMNS)


def _cell(value: str | float | None) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        return str(value)
    if value[0] in _FORMULA or value.lstrip()[:1] in _FORMULA:
        value = f"'{value}"
    if any(character in value for character in ',"\r\n'):
        return '"{}"'.format(value.replace('"', '""'))
    return value


def _group(row: UsageRow, wanted: UsageRange) -> str:
    match wanted.group_by:
        case "api":
            return f"{row.tenant_id}:{row.slug}"
        case "tenant":
            return row.tenant_id
        case "status":
            return f"{row.group}xx" if row.group != "0" else OTHER
        case _:
            return row.group or OTHER


def _only(wanted: UsageRange) -> str:
    """Return the tenant of all rows, if there is only one."""
    return wanted.tenants[0] if wanted.tenants is not None and len(wanted.tenants) == 1 else ""


def _rounded(latency_ms: float | None) -> float | None:
    return None if latency_ms is None else round(latency_ms, 2)


def _date(at_ms: int) -> str:
    return timestamp(at_ms)[:10]
