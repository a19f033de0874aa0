"""Checks a snapshot of the public page: its fields, their types and their bounds.

It repeats what `api.explore.sanitize` does, so that the code does not check itself.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

WHOLE_MAX = 2**53 - 1
TREND_MAX = {"today": 24, "week": 7, "overall": 30}

SNAPSHOT = {
    "window",
    "generatedAt",
    "range",
    "heroStats",
    "previous",
    "apis",
    "topApis",
    "allApis",
    "directories",
    "series",
    "freshness",
}
MONEY = {"revenueUsd", "revenueMicros"}
HERO = {"activeAgents", "publishedApis", "directories", "calls", *MONEY}
API_COUNTS = {"rank", "calls", "uniqueCallers"}
API_AMOUNTS = {
    "priceUsd",
    "latencyMs",
    "p95LatencyMs",
    "errorRatePct",
    "uptimePct",
    "topCallerShare",
    "maxHourShare",
    "diversityRatio",
    "trendingScore",
}
API = {"id", "endpoint", "owner", "directory", "trend", *API_COUNTS, *API_AMOUNTS, *MONEY}
"""The fields of a row that come from the totals."""

LISTED = {
    "title",
    "description",
    "tags",
    "methods",
    "listedPriceUsd",
    "listedPriceMicros",
    "highestPriceMicros",
    "charges",
    "withdrawn",
    "url",
}
"""The fields of a row that come from the catalog."""
DIRECTORY = {"directory", "calls", "apis", "uniqueCallers", *MONEY}
POINT = {"startAt", "calls", "errors", *MONEY}
FRESHNESS = {"asOf", "complete", "lagSeconds"}
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
UNKNOWN_BEFORE = {"activeAgents", "publishedApis", "directories"}

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_ENDPOINT = re.compile(r"/[A-Za-z0-9._~/-]*")


def check(snapshot: dict[str, Any], window: str, top: int) -> None:
    """Fail unless a response's snapshot has the documented shape.

    `top` is the largest length of `topApis`, and the list is not filtered.
    """
    apis, catalog = snapshot["allApis"], snapshot["catalog"]
    ranked = [api for api in apis if not api["withdrawn"]]
    withdrawn = apis[len(ranked) :]
    for api in apis:
        check_listed(api)
    assert [api["rank"] for api in withdrawn] == [None] * len(withdrawn)
    assert snapshot["topApis"] == ranked[:top]
    counts = snapshot["apis"]
    assert set(counts) == {"total", "matching", "shown", "offset", "next"}
    assert (counts["offset"], counts["shown"]) == (0, len(apis))
    assert counts["shown"] <= counts["matching"] <= counts["total"]
    assert counts["next"] == (len(apis) if len(apis) < counts["matching"] else None)
    if catalog is None:
        assert withdrawn == []
    else:
        assert set(catalog) == {"live", "categories"}
        assert sum(one["apis"] for one in catalog["categories"]) == catalog["live"]
        assert catalog["live"] >= len(ranked)
    reduced = [{name: api[name] for name in API} for api in apis]
    for rank, api in enumerate(reduced, start=1):
        api["rank"] = rank
    demo = snapshot["demoHistory"]
    assert demo is None or set(demo) == {"from", "to"}
    rest = {
        name: value for name, value in snapshot.items() if name not in ("catalog", "demoHistory")
    }
    lists = {"allApis": reduced, "topApis": reduced[:top]}
    apis_of_totals = {"total": counts["total"], "shown": len(reduced)}
    check_sanitized({**rest, **lists, "apis": apis_of_totals}, window, top)


def check_listed(api: dict[str, Any]) -> None:
    """Check what the catalog says of an API."""
    assert set(api) == {*API, *LISTED}
    for name, length_max in (("title", 200), ("description", 2_000)):
        check_text(api[name] or "-", length_max)
    assert len(api["tags"]) <= 10
    for tag in api["tags"]:
        check_text(tag, 32)
    assert set(api["methods"]) <= METHODS
    check_whole(api["listedPriceMicros"], api["highestPriceMicros"])
    assert api["listedPriceUsd"] == api["listedPriceMicros"] / 1_000_000
    assert api["listedPriceMicros"] <= api["highestPriceMicros"]
    assert {type(api["charges"]), type(api["withdrawn"])} == {bool}
    assert api["url"].endswith(api["endpoint"]) is not api["withdrawn"]


def check_sanitized(snapshot: dict[str, Any], window: str, top: int) -> None:
    """Fail unless sanitized totals have the documented shape, with `top` rows in `topApis`."""
    assert set(snapshot) == SNAPSHOT
    assert snapshot["window"] == window
    check_time(snapshot["generatedAt"])
    start = check_range(snapshot["range"], open_start=window == "overall")
    assert (start is None) is (window == "overall")
    check_hero(snapshot["heroStats"])
    if snapshot["previous"] is not None:
        assert set(snapshot["previous"]) == {"range", "heroStats"}
        before = check_range(snapshot["previous"]["range"], open_start=window == "overall")
        assert (before is None) is (window == "overall")
        before_stats = snapshot["previous"]["heroStats"]
        check_hero(
            {
                name: 0 if value is None and name in UNKNOWN_BEFORE else value
                for name, value in before_stats.items()
            }
        )
    apis = snapshot["allApis"]
    assert snapshot["topApis"] == apis[:top]
    assert len(apis) <= 1_000
    assert [api["rank"] for api in apis] == list(range(1, len(apis) + 1))
    assert len({api["id"] for api in apis}) == len(apis)
    assert set(snapshot["apis"]) == {"total", "shown"}
    check_whole(*snapshot["apis"].values())
    assert snapshot["apis"]["shown"] == len(apis) <= snapshot["apis"]["total"]
    for api in apis:
        check_api(api, TREND_MAX[window])
    hero = snapshot["heroStats"]
    for name in ("calls", "revenueMicros"):
        assert hero[name] >= min(sum(api[name] for api in apis), WHOLE_MAX)
    assert hero["publishedApis"] >= sum(api["calls"] > 0 for api in apis)
    check_directories(snapshot["directories"])
    assert hero["directories"] >= len(snapshot["directories"])
    starts = [point["startAt"] for point in snapshot["series"]]
    assert starts == sorted(set(starts))
    for point in snapshot["series"]:
        assert set(point) == POINT
        check_time(point["startAt"])
        check_whole(point["calls"], point["errors"])
        check_money(point)
    freshness = snapshot["freshness"]
    assert set(freshness) == FRESHNESS
    check_whole(freshness["lagSeconds"])
    assert type(freshness["complete"]) is bool
    if freshness["asOf"] is not None:
        check_time(freshness["asOf"])
    assert freshness["asOf"] is not None or not freshness["complete"]


def check_api(api: dict[str, Any], trend_max: int) -> None:
    assert set(api) == API
    check_text(api["id"], 300)
    assert len(api["endpoint"]) <= 200
    assert _ENDPOINT.fullmatch(api["endpoint"])
    assert not api["endpoint"].startswith("//")
    check_text(api["owner"], 201)
    assert api["owner"].startswith("@")
    check_text(api["directory"], 200)
    check_whole(*(api[name] for name in API_COUNTS), *api["trend"])
    assert len(api["trend"]) <= trend_max
    for name in API_AMOUNTS:
        check_amount(api[name])
    assert api["errorRatePct"] <= 100
    assert api["uptimePct"] <= 100
    assert api["topCallerShare"] <= 1
    assert api["maxHourShare"] <= 1
    check_money(api)


def check_directories(directories: list[dict[str, Any]]) -> None:
    assert len({row["directory"] for row in directories}) == len(directories) <= 1_000
    for row in directories:
        assert set(row) == DIRECTORY
        check_text(row["directory"], 200)
        check_whole(row["calls"], row["apis"], row["uniqueCallers"])
        check_money(row)


def check_range(bounds: dict[str, Any], *, open_start: bool = False) -> str | None:
    assert set(bounds) == {"startAt", "endAt"}
    check_time(bounds["endAt"])
    start: str | None = bounds["startAt"]
    if start is None:
        assert open_start
    else:
        check_time(start)
        assert start <= bounds["endAt"]
    return start


def check_hero(hero: dict[str, Any]) -> None:
    assert set(hero) == HERO
    check_whole(*(hero[name] for name in HERO - MONEY))
    check_money(hero)


def check_money(row: dict[str, Any]) -> None:
    check_whole(row["revenueMicros"])
    cents = Decimal(row["revenueMicros"]).scaleb(-4).to_integral_value(ROUND_HALF_UP)
    assert Decimal(str(row["revenueUsd"])) == cents.scaleb(-2)


def check_whole(*values: Any) -> None:
    assert all(type(value) is int and 0 <= value <= WHOLE_MAX for value in values), values


def check_amount(value: Any) -> None:
    assert type(value) in (int, float)
    assert math.isfinite(value)
    assert 0 <= value <= WHOLE_MAX
    assert math.copysign(1, value) == 1, "a zero has no sign"


def check_text(text: Any, length_max: int) -> None:
    assert type(text) is str
    assert 0 < len(text) <= length_max
    assert text == text.strip()
    assert not any(is_hidden(character) for character in text), repr(text)


def is_hidden(character: str) -> bool:
    """Return whether a character is a control, a surrogate, or changes the text direction."""
    code = ord(character)
    bidirectional = (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    return (
        code < 0x20
        or 0x7F <= code < 0xA0
        or code in bidirectional
        or code in (0x2028, 0x2029, 0xFEFF)
        or 0xD800 <= code < 0xE000
    )


def check_time(text: Any) -> None:
    assert type(text) is str
    assert _TIME.fullmatch(text)
    datetime.fromisoformat(text)
