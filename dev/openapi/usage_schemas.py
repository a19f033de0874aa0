"""JSON Schemas of usage in a range."""

from __future__ import annotations

from collections.abc import Mapping

from api.spec import Schema
from api.usage.limits import GROUPINGS, INTERVALS
from api.usage.response import CSV_COLUMNS, OTHER
from core.ports import Json
from dev.openapi.analytics_schemas import REVENUE
from dev.openapi.json_schema import (
    always,
    list_of,
    number,
    one_of,
    or_null,
    record,
    reference,
    text,
    time,
    truth,
    whole,
)
from metering.usage.callers import CALLERS_MAX, SAMPLED_EVENTS
from metering.usage.ranges import ROWS_MAX

_SUMS: Mapping[str, Schema] = {
    "calls": whole("Calls."),
    "errors": or_null(whole("Calls that failed; null by caller.")),
    **{name: or_null(schema) for name, schema in REVENUE.items()},
}
_LATENCY: Mapping[str, Schema] = {
    "latencyMs": or_null(
        number(
            "Mean of the latencies above 0; null without calls, by status, method, outcome and"
            " caller, and in hours from before latencies were stored by hour."
        )
    ),
}
_EXAMPLE: Mapping[str, Json] = {
    "ok": True,
    "requestId": "f6a3edeed6e543e1-00002a",
    "range": {"startAt": "2026-11-01T00:00:00.000Z", "endAt": "2026-12-01T00:00:00.000Z"},
    "interval": "month",
    "groupBy": "api",
    "rows": [
        {
            "startAt": "2026-11-01T00:00:00.000Z",
            "tenantId": "t-1",
            "api": "weather",
            "group": "t-1:weather",
            "calls": 1200,
            "errors": 3,
            "revenueMicros": 12_000_000,
            "revenueUsd": 12.0,
            "latencyMs": 41.5,
        }
    ],
    "totals": {
        "calls": 1200,
        "errors": 3,
        "revenueMicros": 12_000_000,
        "revenueUsd": 12.0,
        "latencyMs": 41.5,
    },
    "freshness": {
        "asOf": "2026-11-30T18:00:00.000Z",
        "lagSeconds": 0,
        "complete": True,
        "droppedEvents": 0,
        "unavailableShards": [],
        "missingDays": 0,
    },
    "accuracy": {"uniqueCallersExactUpTo": 300, "uniqueCallersRelativeErrorMax": 0.02},
}


def usage_schemas() -> Mapping[str, Schema]:
    """Return the schemas by name."""
    return {
        "Usage": {**_usage(), "examples": [_EXAMPLE]},
        "UsageRow": _row(),
        "UsageCsv": text(
            f"A header line, then a line for each row: {', '.join(CSV_COLUMNS)}. What is unknown"
            " is empty. A text that a spreadsheet would take for a formula starts with `'`."
            " `x-clawr-usage-complete` says what `freshness.complete` says in JSON."
        ),
    }


def _usage() -> Schema:
    return record(
        {
            "ok": always(value=True),
            "requestId": reference("RequestId"),
            "range": record(
                {"startAt": time("The start."), "endAt": time("The end, exclusive.")},
                "The range in whole hours or UTC days, at most until the end of the current one.",
            ),
            "interval": one_of(INTERVALS),
            "groupBy": or_null(one_of(GROUPINGS)),
            "rows": list_of(reference("UsageRow"), "By time.", ROWS_MAX),
            "totals": record(
                {**_SUMS, **_LATENCY},
                "The sums of all rows. Distinct callers are never added up: for those of a month,"
                " use `interval=month`.",
            ),
            "freshness": record(
                {
                    "asOf": time("Everything acknowledged before this time is counted."),
                    "lagSeconds": whole("Seconds since `asOf`."),
                    "complete": truth("Whether nothing is missing."),
                    "droppedEvents": whole("Events of any API that were lost in the range."),
                    "unavailableShards": list_of(whole(), "Shards that did not respond."),
                    "missingDays": whole("Days not ready yet after an update of the software."),
                }
            ),
            "accuracy": record(
                {
                    "uniqueCallersExactUpTo": whole("Distinct callers are exact up to this."),
                    "uniqueCallersRelativeErrorMax": number("Above that, within this share."),
                    "callersMax": always(CALLERS_MAX),
                    "callerCallsErrorMax": whole(
                        "The calls of a caller are at most this much too high: 1 % of the calls on"
                        " days with more than 300 callers. Without such days, they are exact."
                    ),
                    "sampledEvents": whole(
                        "Of such days, the callers of so many sampled events are known, at most"
                        f" {SAMPLED_EVENTS:,}; others are in the row `{OTHER}`."
                    ),
                },
                "Calls, errors and money are exact, except the calls of callers.",
                ("callersMax", "callerCallsErrorMax", "sampledEvents"),
            ),
        }
    )


def _row() -> Schema:
    return record(
        {
            "startAt": time("The start of the hour, day or month; never before the range."),
            "tenantId": text("The tenant, by API or tenant, or if only one is wanted."),
            "api": text("The API's slug, by API, or if only one is wanted."),
            "group": text(
                "With `groupBy`: a status class such as `2xx`, a method, an outcome, an API as"
                f" `tenantId:slug`, a tenant, or a caller's keyed hash. `{OTHER}` is all others."
            ),
            "requests": whole(
                "By status, method and outcome: requests, including those that are no calls."
            ),
            **_SUMS,
            "uniqueCallers": whole(
                "Distinct callers of the row. Not by hour, status, method, outcome or caller, and"
                " not if too many sketches would have to be merged."
            ),
            **_LATENCY,
        },
        optional=("tenantId", "api", "group", "requests", "uniqueCallers"),
    )
