"""JSON Schemas of analytics responses: snapshots of the platform API and of the public page."""

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
from tenants.discovery import METHODS

REVENUE: Mapping[str, Schema] = {
    "revenueUsd": number("Sum of settled payments in dollars, rounded to cents for display."),
    "revenueMicros": whole("Sum of settled payments in micro-dollars, exact."),
}
"""The two fields of an amount."""

_PERIOD: Schema = text("The window, or the name of the range.")
_PRIVATE_FIELDS = ("tenantId", "payingCallers")
"""Fields of an API that the public snapshot does not have."""


def analytics_schemas() -> Mapping[str, Schema]:
    """Return the schemas by name."""
    return {
        "Window": one_of(
            WINDOWS,
            "`today` starts at 00:00 UTC, `week` is today and the six UTC days before it,"
            " `overall` is everything ever recorded. An event slightly ahead of the reader's clock"
            " counts in its day. An event of a later day counts in `overall` at once, and in the"
            " other windows from that day.",
        ),
        "HeroStats": _hero_stats(),
        "ApiFigures": _api_figures(),
        "DirectoryFigures": _directory_figures(),
        "SeriesEntry": record(
            {
                "startAt": time("Start of the hour or day."),
                "calls": whole(),
                **REVENUE,
                "errors": whole(
                    "Calls with status 500 and up, 408 or 429, or whose script was missing."
                ),
            }
        ),
        "Freshness": _freshness(),
        "Accuracy": _accuracy(),
        "Previous": record(
            {
                "range": record({"startAt": or_null(time("Null for `overall`.")), "endAt": time()}),
                "heroStats": record(
                    {
                        **_hero_stats()["properties"],
                        **{
                            name: {"type": "null", "description": "Not known for a part of a day."}
                            for name in ("activeAgents", "publishedApis", "directories")
                        },
                    }
                ),
            },
            "The window's calls and revenue at the same time a day ago (`today`) or a week ago; the"
            " hour that was under way is interpolated.",
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
            "All windows, if the request names none.",
        ),
        "AnyAnalytics": {"oneOf": [reference("Analytics"), reference("AllAnalytics")]},
        **_explore_schemas(),
    }


def _directory_figures() -> Schema:
    return record(
        {
            "directory": text("The category, `APIs` if none."),
            "calls": whole(),
            **REVENUE,
            "apis": whole("Called APIs of the category."),
            "uniqueCallers": or_null(
                whole(
                    "Distinct callers of these APIs. Null for a token that is limited to tenants,"
                    " if there are several APIs, and in ranges that are no windows."
                )
            ),
        }
    )


def _explore_schemas() -> Mapping[str, Schema]:
    """Return the schemas of the public page's data: the same values, fewer fields."""
    snapshot, api, freshness = _snapshot(), _api_figures(), _freshness()
    kept = [name for name in snapshot["properties"] if name != "accuracy"]
    rows = list_of(
        reference("ExploreApi"),
        "The matching APIs: called ones by rank, then live ones that were not called, then"
        " withdrawn ones; `offset` and `limit` select from them.",
        constants.ALL_APIS_MAX,
    )
    reduced = part_of(snapshot, kept)
    fields = {
        **reduced["properties"],
        "apis": record(
            {
                "total": whole("All APIs: the live ones, and withdrawn ones with totals."),
                "matching": whole("How many match the filters."),
                "shown": whole("The length of `allApis`."),
                "offset": whole("How many are left out before them."),
                "next": or_null(whole("The offset of the next page; null after the last.")),
            }
        ),
        "catalog": {
            "anyOf": [_catalog(), {"type": "null"}],
            "description": "The live APIs; null if they are not known.",
        },
        "window": _PERIOD,
        "demoHistory": {
            "anyOf": [record({"from": or_null(time()), "to": or_null(time())}), {"type": "null"}],
            "description": "The time of generated history in the totals; null if there is none.",
        },
        "topApis": list_of(
            reference("ExploreApi"), "The first `top` of `allApis` with a rank.", constants.TOP_MAX
        ),
        "allApis": rows,
        "freshness": record(
            {
                **part_of(freshness, ("complete", "lagSeconds"))["properties"],
                "asOf": or_null(freshness["properties"]["asOf"]),
            }
        ),
    }
    response = {
        "window": _PERIOD,
        "source": one_of(
            ("self", "upstream"),
            "`self`: this dispatcher's analytics. `upstream`: another dispatcher's.",
        ),
        "snapshot": reference("ExploreSnapshot"),
    }
    failures = ("upstream_http_error", "upstream_unreachable")
    return {
        "ExploreApi": _explore_api(api),
        "ExploreSnapshot": record(fields),
        "Explore": record({"ok": always(value=True), **response}),
        "ExploreFailed": record(
            {"ok": always(value=False), "error": one_of(failures), **response},
            "Analytics are unavailable; the snapshot is empty.",
        ),
        "AnyExplore": {"oneOf": [reference("Explore"), reference("ExploreFailed")]},
    }


def _explore_api(api: Schema) -> Schema:
    kept = [name for name in api["properties"] if name not in _PRIVATE_FIELDS]
    return record(
        {
            **part_of(api, kept)["properties"],
            "uniqueCallers": or_null(
                whole("Distinct callers; null in ranges that are no windows, if it was called.")
            ),
            "rank": or_null(
                whole("Those that were called in this window come first; null if withdrawn.", 1)
            ),
            "title": text("Empty if there is none."),
            "description": text("Empty if there is none; may be cut in a catalog of many APIs."),
            "tags": list_of(text()),
            "methods": list_of(one_of(METHODS), "Empty if the record does not say."),
            "listedPriceUsd": number("The current price of a call, in dollars, exact."),
            "listedPriceMicros": whole("The same in micro-dollars."),
            "highestPriceMicros": whole("The highest price of a route, in micro-dollars."),
            "charges": truth("Whether some calls must be paid for."),
            "withdrawn": truth("Whether it has totals and is no longer published."),
            "url": text("The address to call; empty if withdrawn."),
        }
    )


def _catalog() -> Schema:
    return record(
        {
            "live": whole("How many APIs are published, called or not."),
            "categories": list_of(
                record({"directory": text(), "apis": whole("Its live APIs.")}),
                "The categories of live APIs, the largest first.",
            ),
        }
    )


def _snapshot() -> Schema:
    return record(
        {
            "window": reference("Window"),
            "generatedAt": time("When the snapshot was computed."),
            "range": record(
                {
                    "startAt": or_null(time("Null for `overall`.")),
                    "endAt": time(),
                }
            ),
            "heroStats": reference("HeroStats"),
            "previous": {
                "anyOf": [reference("Previous"), {"type": "null"}],
                "description": "Null if there is no data of that time.",
            },
            "apis": record(
                {
                    "total": whole("All APIs of the window; the totals cover all of them."),
                    "shown": whole("The length of `allApis`."),
                }
            ),
            "topApis": list_of(
                reference("ApiFigures"), "The first `top` by rank.", constants.TOP_MAX
            ),
            "allApis": list_of(
                reference("ApiFigures"),
                "The first APIs by rank, up to 1,000; it starts with `topApis`.",
                constants.ALL_APIS_MAX,
            ),
            "directories": list_of(reference("DirectoryFigures"), "Categories, most calls first."),
            "series": list_of(
                reference("SeriesEntry"),
                "By hour for `today`, otherwise by day; gaps are filled with zeros.",
            ),
            "freshness": reference("Freshness"),
            "accuracy": reference("Accuracy"),
        }
    )


def _hero_stats() -> Schema:
    return record(
        {
            "activeAgents": or_null(
                whole(
                    "Distinct callers. Null for a token that is limited to tenants, if too many"
                    " sketches would have to be merged."
                )
            ),
            "publishedApis": whole("APIs with at least one call."),
            "directories": whole("Categories with at least one call."),
            "calls": whole("Requests that were not refused before dispatch."),
            **REVENUE,
        }
    )


def _api_figures() -> Schema:
    share = {"least": 0, "most": 1}
    return record(
        {
            "id": text("`tenantId:slug`."),
            "rank": whole(
                "Ordered by score, calls and revenue (descending), then error rate, endpoint and"
                " id.",
                1,
            ),
            "endpoint": text("`/t/SLUG`."),
            "owner": text("Starts with `@`; `@unknown` if none.", "^@"),
            "tenantId": text(),
            "directory": text("The category, `APIs` if none."),
            "priceUsd": number("Mean listed price of the calls, in dollars."),
            "calls": whole("Requests that were not refused before dispatch."),
            **REVENUE,
            "uniqueCallers": whole("Distinct callers."),
            "payingCallers": whole("Distinct callers among them who paid."),
            "latencyMs": number(
                "Mean of latencies above 0, from arrival to the response's headers."
            ),
            "p95LatencyMs": number("Nearest-rank 95th percentile of the same latencies."),
            "errorRatePct": number(
                "Percentage of calls that are errors: status 500 and up, 408, 429, or no script.",
                0,
                100,
            ),
            "uptimePct": number("100 minus `errorRatePct`.", 0, 100),
            "topCallerShare": number("Calls of the busiest caller divided by calls.", **share),
            "maxHourShare": number("Calls in the busiest clock hour divided by calls.", **share),
            "diversityRatio": number(
                "Distinct callers divided by calls; above 1 only if callers are overestimated."
            ),
            "trendingScore": number(
                "40·L(calls+1) + 25·L(100·revenueUsd+1) + 20·L(callers+1)"
                " + max(0, 10 - 0.7·errorRatePct) - clamp(120·(0.18 - diversityRatio), 0, 20)"
                " - clamp(80·(topCallerShare - 0.45), 0, 25)"
                " - clamp(70·(maxHourShare - 0.4), 0, 20)"
                " - clamp((p95LatencyMs - 800)/75, 0, 15), with L = log10. Here callers are all who"
                " paid, and at most four others of each network (IPv4 /24, IPv6 /48), also in"
                " diversityRatio; topCallerShare is of the calls without one of each caller that"
                " does not count.",
                None,
            ),
            "trend": list_of(
                whole(),
                "Calls by hour for `today`, otherwise by day (7 in `week`, 30 in `overall`);"
                " oldest first, the last is the current hour or day.",
            ),
        }
    )


def _freshness() -> Schema:
    return record(
        {
            "asOf": time(
                "Everything that a shard acknowledged up to this time is counted. Newer events are"
                " counted as far as their shards responded."
            ),
            "lagSeconds": whole("Age of `asOf`: 0 or 1 if all shards responded."),
            "complete": truth("False if something was left out."),
            "droppedEvents": whole(
                "Events that did not fit into memory while neither shards nor KV accepted them."
            ),
            "unavailableShards": list_of(whole(), "The shards that did not respond."),
            "damagedTotals": list_of(text(), "The KV keys of totals that are missing or damaged."),
        }
    )


def _accuracy() -> Schema:
    return record(
        {
            "uniqueCallersExactUpTo": {
                **always(EXACT_CALLERS_MAX),
                "description": "Up to this number, distinct callers (`uniqueCallers`,"
                " `activeAgents`) and `topCallerShare` are exact.",
            },
            "uniqueCallersRelativeErrorMax": number(
                f"Above that number, the relative error is at most this"
                f" ({distinct.RELATIVE_ERROR_MAX}) in at least 99.9 % of cases."
            ),
            "p95RelativeErrorMax": number(
                f"`p95LatencyMs` is within this ({latency.RELATIVE_ERROR_MAX}) of the true value."
            ),
            "topCallerShareErrorMax": number(
                "Above that number, `topCallerShare` is never too low, and at most this"
                f" ({heavy_hitters.SHARE_ERROR_MAX}, a share of all calls) too high. If fifty to a"
                " hundred callers of the same size make nearly all calls, it may be twice the true"
                " value in one or two cases of a hundred."
            ),
        },
        "Error bounds of the estimated values. Calls, errors, money and hours are exact.",
    )
