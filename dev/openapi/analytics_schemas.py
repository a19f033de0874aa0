"""The shapes of analytics: snapshots, as the platform and the public page read them.

Owns what each figure is said to mean (CONTRACT, "Snapshot"). Refuses to compute any.
"""

from __future__ import annotations

from collections.abc import Mapping

from analytics import WINDOWS
from api.spec import Schema
from core import constants
from dev.openapi.json_schema import (
    always,
    list_of,
    number,
    one_of,
    or_null,
    part_of,
    record,
    reference,
    text,
    time,
    truth,
    whole,
)
from metering.sketches import distinct, heavy_hitters, latency
from metering.sketches.callers import EXACT_CALLERS_MAX

_REVENUE: Mapping[str, Schema] = {
    "revenueUsd": number("What was settled, in dollars, rounded to cents for show."),
    "revenueMicros": whole("What was settled, in micro-dollars, exact."),
}

_NOT_FOR_THE_PUBLIC = ("tenantId", "topCallerShare", "maxHourShare", "diversityRatio")
"""Fields of an API that the page does not show."""


def snapshot_shapes() -> Mapping[str, Schema]:
    """Give the shapes by the names they have in the document."""
    return {
        "Window": one_of(
            WINDOWS,
            "`today` starts at 00:00 UTC, `week` is today and the six UTC days before it,"
            " `overall` is everything ever recorded. An event that is some milliseconds ahead of"
            " the reader's clock counts in its day; one of a later day waits for that day, in"
            " `overall` it counts at once.",
        ),
        "HeroStats": _hero_stats(),
        "ApiFigures": _api_figures(),
        "DirectoryFigures": record(
            {
                "directory": text("The category, `APIs` if none."),
                "calls": whole(),
                **_REVENUE,
                "apis": whole("APIs of the category that were called."),
                "uniqueCallers": whole("Distinct callers of all of them."),
            }
        ),
        "SeriesEntry": record(
            {
                "startAt": time("When the hour or the day begins."),
                "calls": whole(),
                **_REVENUE,
                "errors": whole("Calls that were answered with status 500 and up, 408 or 429."),
            }
        ),
        "Freshness": _freshness(),
        "Accuracy": _accuracy(),
        "Previous": record(
            {
                "range": record({"startAt": or_null(time("Null for `overall`.")), "endAt": time()}),
                "heroStats": reference("HeroStats"),
            },
            "What the window had come to a day ago (`today`) or a week ago, at the same time,"
            " weighed between two full hours.",
        ),
        "Snapshot": _snapshot(),
        "Analytics": record(
            {
                "ok": always(value=True),
                "requestId": reference("RequestId"),
                "generatedAt": time(),
                "window": reference("Window"),
                "snapshot": reference("Snapshot"),
            },
            "One window.",
        ),
        "AllAnalytics": record(
            {
                "ok": always(value=True),
                "requestId": reference("RequestId"),
                "generatedAt": time(),
                "windows": record({window: reference("Snapshot") for window in WINDOWS}),
            },
            "All windows, when none was asked for.",
        ),
        "AnyAnalytics": {"oneOf": [reference("Analytics"), reference("AllAnalytics")]},
        **_explore_shapes(),
    }


def _explore_shapes() -> Mapping[str, Schema]:
    """Give the shapes of what the public page reads: the same figures, fewer fields."""
    snapshot, api, freshness = _snapshot(), _api_figures(), _freshness()
    kept = [name for name in snapshot["properties"] if name != "accuracy"]
    rows = list_of(reference("ExploreApi"), "By rank.", constants.ALL_APIS_MAX)
    reduced = part_of(snapshot, kept)
    fields = {
        **reduced["properties"],
        "topApis": {**rows, "maxItems": constants.TOP_MAX},
        "allApis": rows,
        "freshness": record(
            {
                **part_of(freshness, ("complete", "lagSeconds"))["properties"],
                "asOf": or_null(freshness["properties"]["asOf"]),
                "reconciledThrough": freshness["properties"]["reconciledThrough"],
            }
        ),
    }
    answer = {
        "window": reference("Window"),
        "source": one_of(("self", "upstream"), "Whose figures these are."),
        "snapshot": reference("ExploreSnapshot"),
    }
    failures = ("upstream_http_error", "upstream_unreachable")
    return {
        "ExploreApi": part_of(
            api, [name for name in api["properties"] if name not in _NOT_FOR_THE_PUBLIC]
        ),
        "ExploreSnapshot": record(fields),
        "Explore": record({"ok": always(value=True), **answer}),
        "ExploreFailed": record(
            {"ok": always(value=False), "error": one_of(failures), **answer},
            "There are no figures at the moment; the snapshot is empty.",
        ),
        "AnyExplore": {"oneOf": [reference("Explore"), reference("ExploreFailed")]},
    }


def _snapshot() -> Schema:
    return record(
        {
            "window": reference("Window"),
            "generatedAt": time("When the figures were put together."),
            "range": record(
                {
                    "startAt": or_null(time("Null for `overall`.")),
                    "endAt": time(),
                }
            ),
            "heroStats": reference("HeroStats"),
            "previous": {
                "anyOf": [reference("Previous"), {"type": "null"}],
                "description": "Null while no record of that time exists.",
            },
            "topApis": list_of(
                reference("ApiFigures"), "The first `top` by rank.", constants.TOP_MAX
            ),
            "allApis": list_of(
                reference("ApiFigures"),
                "All by rank, the first of them the same as in `topApis`.",
                constants.ALL_APIS_MAX,
            ),
            "directories": list_of(
                reference("DirectoryFigures"), "Categories, the most called first."
            ),
            "series": list_of(
                reference("SeriesEntry"),
                "Hours for `today`, days otherwise, gaps filled with zeros.",
            ),
            "freshness": reference("Freshness"),
            "accuracy": reference("Accuracy"),
        }
    )


def _hero_stats() -> Schema:
    return record(
        {
            "activeAgents": whole("Distinct callers."),
            "publishedApis": whole("APIs that were called."),
            "directories": whole("Categories that were called."),
            "calls": whole("Requests that were not refused before dispatch."),
            **_REVENUE,
        }
    )


def _api_figures() -> Schema:
    share = {"least": 0, "most": 1}
    return record(
        {
            "id": text("`tenantId:slug`."),
            "rank": whole(
                "By score down, calls down, revenue down, error rate up, endpoint up.", 1
            ),
            "endpoint": text("`/t/SLUG`."),
            "owner": text("Starts with `@`; `@unknown` if none.", "^@"),
            "tenantId": text(),
            "directory": text("The category, `APIs` if none."),
            "priceUsd": number("Mean listed price of the calls, in dollars."),
            "calls": whole("Requests that were not refused before dispatch."),
            **_REVENUE,
            "uniqueCallers": whole("Distinct callers."),
            "latencyMs": number(
                "Mean over latencies above 0, from arrival to the response's headers."
            ),
            "p95LatencyMs": number("Nearest rank over the same."),
            "errorRatePct": number(
                "Share of calls with status 500 and up, 408 or 429, in per cent.", 0, 100
            ),
            "uptimePct": number("100 minus `errorRatePct`.", 0, 100),
            "topCallerShare": number("Calls of the busiest caller, over calls.", **share),
            "maxHourShare": number("Calls in the busiest clock hour, over calls.", **share),
            "diversityRatio": number(
                "Distinct callers over calls; above 1 by no more than callers are overestimated."
            ),
            "trendingScore": number(
                "40·L(calls+1) + 25·L(100·revenueUsd+1) + 20·L(callers+1)"
                " + max(0, 10 - 0.7·errorRatePct) - clamp(120·(0.18 - diversityRatio), 0, 20)"
                " - clamp(80·(topCallerShare - 0.45), 0, 25)"
                " - clamp(70·(maxHourShare - 0.4), 0, 20)"
                " - clamp((p95LatencyMs - 800)/75, 0, 15), with L the decimal logarithm.",
                None,
            ),
            "trend": list_of(
                whole(),
                "Calls by hour of today so far, or by day: seven in `week`, thirty in `overall`;"
                " oldest first, the last is the current one.",
            ),
        }
    )


def _freshness() -> Schema:
    return record(
        {
            "asOf": time(
                "Everything that was written to the log up to this time is counted; newer events"
                " are counted as far as they are visible."
            ),
            "lagSeconds": whole(
                f"How long ago `asOf` is: {constants.KV_SETTLE_SECONDS} at best, because KV needs"
                " that long to show a write everywhere; up to 180 where hundreds of batches are"
                " written in 20 minutes, because figures of minutes that are over are then those"
                " of the last run of compaction. More means that compaction does not come by."
            ),
            "complete": truth(
                "False when anything up to `asOf` was left out, or may have been: see the next"
                " four."
            ),
            "droppedEvents": whole("Events that did not fit into memory while KV refused writes."),
            "missingBatches": whole("Batches that were listed and could not be read."),
            "unreadableBatches": whole("Batches that were set aside."),
            "behind": truth("Whether compaction has yet to make summaries of older minutes."),
            "reconciledThrough": or_null(
                time(
                    "Every payment presented before is final, and the same in the ledger and in"
                    " the log; null where there is no ledger, or cron has not come yet."
                )
            ),
        }
    )


def _accuracy() -> Schema:
    return record(
        {
            "uniqueCallersExactUpTo": {
                **always(EXACT_CALLERS_MAX),
                "description": "Distinct callers (`uniqueCallers`, `activeAgents`) are exact up to"
                " this, and so is `topCallerShare` up to as many callers.",
            },
            "uniqueCallersRelativeErrorMax": number(
                f"Above, within this ({distinct.RELATIVE_ERROR_MAX}) of the truth in at least"
                " 99.9 % of cases."
            ),
            "p95RelativeErrorMax": number(
                f"`p95LatencyMs` is within this ({latency.RELATIVE_ERROR_MAX}) of the true value."
            ),
            "topCallerShareErrorMax": number(
                "Above, `topCallerShare` is never under the truth and at most this"
                f" ({heavy_hitters.SHARE_ERROR_MAX}) over it, as a share of all calls; when fifty"
                " to a hundred callers of the same size make nearly all calls, it may be twice the"
                " truth in one or two cases of a hundred."
            ),
        },
        "Calls, errors, money and hours are exact; these are the bounds of the rest.",
    )
