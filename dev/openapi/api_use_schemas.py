"""JSON Schemas of the public use of one API."""

from __future__ import annotations

from collections.abc import Mapping

from api.explore.routes import EXPLORE_RANGES
from api.spec import Schema
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

_RANGES = [name for name in EXPLORE_RANGES if name != "all"]
_REVENUE: Mapping[str, Schema] = {
    "revenueUsd": number("Settled payments in dollars, rounded to cents for display."),
    "revenueMicros": whole("Settled payments in micro-dollars, exact."),
}


def api_use_schemas() -> Mapping[str, Schema]:
    """Return the schemas by name."""
    sums = {
        "calls": whole(),
        "errors": whole(),
        **_REVENUE,
        "latencyMs": number("Mean of latencies above 0; 0 without calls."),
    }
    rate = {"errorRatePct": number("Percentage of calls that are errors.", 0, 100)}
    bounds = {"startAt": time(), "endAt": time()}
    return {
        "UseSums": record({**sums, **rate}),
        "UsePoint": record({"startAt": time("Start of the hour or day."), **sums}),
        "UsePayment": record(
            {
                "settledAt": time("The minute in which it was settled."),
                "amountUsd": number(),
                "amountMicros": whole(),
                "network": text("Its name in x402 version 1, or its CAIP-2 identifier."),
                "transaction": text(),
                "transactionUrl": or_null(text("In a block explorer; null if none is known.")),
            },
            "A settled payment, without the payer.",
        ),
        "Use": record(
            {
                "ok": always(value=True),
                "api": text("The slug."),
                "source": always("self"),
                "range": record({"name": one_of(_RANGES), **bounds}),
                "interval": one_of(("hour", "day"), "The width of a point of `series`."),
                "totals": reference("UseSums"),
                "previous": {
                    "anyOf": [reference("UseSums"), {"type": "null"}],
                    "description": "The time of the same length before, up to the same time of its"
                    " last day; null if there is nothing.",
                },
                "series": list_of(reference("UsePoint"), "Oldest first, without gaps."),
                "days": list_of(reference("UsePoint"), "The last 90 UTC days."),
                "callers": record(
                    {"paying": whole(), "others": whole()}, "Distinct callers of all time."
                ),
                "payments": list_of(
                    reference("UsePayment"), "The newest, if they are not too long ago.", 10
                ),
                "freshness": record({"asOf": time(), "complete": truth(), "lagSeconds": whole()}),
            }
        ),
        "UseFailed": record(
            {
                "ok": always(value=False),
                "error": always("upstream_unreachable"),
                "api": text(),
                "range": one_of(_RANGES),
            },
            "Analytics are unavailable.",
        ),
        "AnyUse": {"oneOf": [reference("Use"), reference("UseFailed")]},
    }
