"""Snapshots for the public page: whatever came in, one of the documented shape comes out.

Owns which fields the page is shown and what stands in for those that are
missing. A safe snapshot comes out unchanged. Refuses to know where a snapshot
is from, and never raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from core import constants
from core.calendar import DAY_MS, timestamp
from core.ports import Json
from metering.totals import DEFAULT_DIRECTORY
from snapshots.ranking import UNKNOWN_OWNER, shown_revenue
from snapshots.render import days_of

WHOLE_MAX = 2**53 - 1
"""The largest whole number that JavaScript holds exactly (`Number.MAX_SAFE_INTEGER`)."""

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""Control characters, those that change the direction of what follows or are invisible, and
halves of characters. Joiners (U+200C, U+200D) stay: scripts and emoji are written with them."""

_TIME_LENGTH_MAX = 40
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""


def safe_text(value: Json, default: str, length_max: int) -> str:
    """Give text as one line of at most `length_max` characters; `default` when none is left."""
    if not isinstance(value, str):
        return default
    # What is removed may be anywhere, so more than is shown is looked at, but not all there is.
    line = _UNSEEN.sub("", value[: 4 * length_max]).strip()
    return line[:length_max].rstrip() or default


def is_number(value: Json) -> bool:
    """Tell whether a value is a number that is not negative; truth values are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def safe_amount(value: Json, maximum: int = WHOLE_MAX) -> int | float:
    """Give a number from 0 to `maximum`: 0 for what is none or negative, at most the maximum."""
    # Not `max(0, value)`, which would keep a zero's sign.
    return min(value, maximum) if is_number(value) and value > 0 else 0


def safe_whole(value: Json, maximum: int = WHOLE_MAX) -> int:
    """Give a whole number from 0 to `maximum`, as `safe_amount` does, without its fraction."""
    return int(safe_amount(value, maximum))


def safe_time(value: Json) -> str | None:
    """Give a time with a zone as RFC 3339 in UTC with milliseconds; None for anything else."""
    if not isinstance(value, str) or len(value) > _TIME_LENGTH_MAX:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    at_ms = (at - _EPOCH) // timedelta(milliseconds=1)
    return timestamp(at_ms) if 0 <= at_ms <= _LAST_MS else None


Fields = Mapping[str, Json]
TREND_POINTS_MAX = {"today": 24, "week": 7, "overall": constants.TREND_DAYS}
"""Calls of an API over a window: by hour today, by day otherwise."""

_MICROS = 1_000_000
_ENDPOINT = re.compile(r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)+/?", re.ASCII)
"""A path that means the same in an address bar and in a shell: people copy it into one."""

_ENDPOINT_LENGTH_MAX = 200
_ID_LENGTH_MAX = 300
"""A tenant's id of 200 characters, a colon and a slug."""


def safe_snapshot(document: Json, window: str, now_ms: int, top: int) -> Fields:
    """Reduce a snapshot of `window` to what the page shows, each field made safe.

    Rows that are no objects, have no usable endpoint or an earlier one's id are
    dropped; ranks are renumbered without gaps. The hero figures are at least what
    the rows come to. `now_ms` stands in for times that are missing; `topApis`
    are the first `top` of `allApis`.
    """
    found = _fields(document)
    rows = _rows(_list(found.get("allApis")) or _list(found.get("topApis")), window)
    directories = _directories(_list(found.get("directories")))
    generated = safe_time(found.get("generatedAt")) or timestamp(now_ms)
    return {
        "window": window,
        "generatedAt": generated,
        "range": _range(_fields(found.get("range")), window, generated),
        "heroStats": _at_least(_hero(found.get("heroStats")), rows, directories),
        "previous": _previous(found.get("previous"), window),
        "topApis": rows[:top],
        "allApis": rows,
        "directories": directories,
        "series": _series(found.get("series")),
        "freshness": _freshness(_fields(found.get("freshness"))),
    }


def empty_snapshot(window: str, now_ms: int) -> Fields:
    """Make the snapshot that says nothing, of the same shape."""
    return safe_snapshot({}, window, now_ms, 0)


def is_snapshot(document: Json, window: str) -> bool:
    """Tell whether a document can be meant as a snapshot of `window`, however wrong its values."""
    found = _fields(document)
    return (
        found.get("window", window) == window
        and isinstance(found.get("heroStats"), dict)
        and isinstance(found.get("allApis", found.get("topApis")), list)
    )


def _fields(value: Json) -> Fields:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> Sequence[Json]:
    return value[: constants.ALL_APIS_MAX] if isinstance(value, list) else []


def _rows(values: Sequence[Json], window: str) -> Sequence[Fields]:
    by_id: dict[str, Fields] = {}
    for value in values:
        row = _row(_fields(value), window)
        if row is not None:
            by_id.setdefault(row["id"], row)
    rows = list(by_id.values())
    if all(row["rank"] for row in rows):
        rows.sort(key=lambda row: int(row["rank"]))
    return [{**row, "rank": rank} for rank, row in enumerate(rows, start=1)]


def _row(given: Fields, window: str) -> Fields | None:
    endpoint = given.get("endpoint")
    if not isinstance(endpoint, str) or len(endpoint) > _ENDPOINT_LENGTH_MAX:
        return None
    if not _ENDPOINT.fullmatch(endpoint):
        return None
    error_rate = safe_amount(given.get("errorRatePct"), 100)
    uptime = given.get("uptimePct")
    return {
        "id": safe_text(given.get("id"), endpoint, _ID_LENGTH_MAX),
        "rank": safe_whole(given.get("rank")),
        "endpoint": endpoint,
        "owner": _owner(given.get("owner")),
        "directory": _directory(given.get("directory")),
        "priceUsd": safe_amount(given.get("priceUsd")),
        "calls": safe_whole(given.get("calls")),
        **_revenue(given),
        "uniqueCallers": safe_whole(given.get("uniqueCallers")),
        "latencyMs": safe_amount(given.get("latencyMs")),
        "p95LatencyMs": safe_amount(given.get("p95LatencyMs")),
        "errorRatePct": error_rate,
        "uptimePct": safe_amount(uptime, 100) if is_number(uptime) else round(100 - error_rate, 4),
        "trendingScore": safe_amount(given.get("trendingScore")),
        "trend": _trend(given.get("trend"), TREND_POINTS_MAX[window]),
    }


def _owner(value: Json) -> str:
    # As long as the directory allows, and the sign that every owner is shown with.
    name = safe_text(value, "", constants.TEXT_LENGTH_MAX + 1).removeprefix("@").strip()
    return "@" + name[: constants.TEXT_LENGTH_MAX].rstrip() if name else UNKNOWN_OWNER


def _directory(value: Json) -> str:
    return safe_text(value, DEFAULT_DIRECTORY, constants.TEXT_LENGTH_MAX)


def _trend(value: Json, points: int) -> Sequence[int]:
    return [safe_whole(calls) for calls in value[-points:]] if isinstance(value, list) else []


def _revenue(given: Fields) -> Fields:
    """Read money: the exact integer, or the dollars beside it where there is none."""
    micros = given.get("revenueMicros")
    if not is_number(micros):
        micros = round(safe_amount(given.get("revenueUsd"), WHOLE_MAX // _MICROS) * _MICROS)
    return shown_revenue(safe_whole(micros))


def _hero(value: Json) -> Fields:
    given = _fields(value)
    counts = ("activeAgents", "publishedApis", "directories", "calls")
    return {**{name: safe_whole(given.get(name)) for name in counts}, **_revenue(given)}


def _at_least(hero: Fields, rows: Sequence[Fields], directories: Sequence[Fields]) -> Fields:
    """Raise figures that cannot be: less than their own parts."""
    parts = {
        "activeAgents": max((row["uniqueCallers"] for row in rows), default=0),
        "publishedApis": sum(row["calls"] > 0 for row in rows),
        "directories": len(directories),
        "calls": _sum(row["calls"] for row in rows),
    }
    micros = max(hero["revenueMicros"], _sum(row["revenueMicros"] for row in rows))
    counts = {name: max(hero[name], part) for name, part in parts.items()}
    return {**counts, **shown_revenue(micros)}


def _sum(parts: Iterable[int]) -> int:
    return min(sum(parts), WHOLE_MAX)


def _range(given: Fields, window: str, generated: str) -> Fields:
    """Read a window's range; where it is missing, tell it from when the snapshot was made."""
    end = safe_time(given.get("endAt")) or generated
    days = days_of(window, int(datetime.fromisoformat(end).timestamp() * 1000))
    if days is None:
        return {"startAt": None, "endAt": end}
    start = safe_time(given.get("startAt"))
    if start is None or start > end:
        start = timestamp(max(0, days[0]) * DAY_MS)
    return {"startAt": start, "endAt": end}


def _previous(value: Json, window: str) -> Fields | None:
    """Read what the window had come to before; None when it does not say when that was."""
    given = _fields(value)
    bounds = _fields(given.get("range"))
    start, end = safe_time(bounds.get("startAt")), safe_time(bounds.get("endAt"))
    is_open = window == "overall"
    if end is None or not (is_open or (start is not None and start <= end)):
        return None
    start = None if is_open else start
    return {"range": {"startAt": start, "endAt": end}, "heroStats": _hero(given.get("heroStats"))}


def _directories(values: Sequence[Json]) -> Sequence[Fields]:
    by_name: dict[str, Fields] = {}
    for value in values:
        if isinstance(value, dict):
            name = _directory(value.get("directory"))
            row = {
                "directory": name,
                "calls": safe_whole(value.get("calls")),
                **_revenue(value),
                "apis": safe_whole(value.get("apis")),
                "uniqueCallers": safe_whole(value.get("uniqueCallers")),
            }
            by_name.setdefault(name, row)
    return list(by_name.values())


def _series(values: Json) -> Sequence[Fields]:
    """Read the course over time; points without a time, or with an earlier one's, are dropped."""
    newest = values[-constants.SERIES_POINTS_MAX :] if isinstance(values, list) else []
    points: dict[str, Fields] = {}
    for value in map(_fields, newest):
        start = safe_time(value.get("startAt"))
        if start is not None:
            point = {
                "startAt": start,
                "calls": safe_whole(value.get("calls")),
                **_revenue(value),
                "errors": safe_whole(value.get("errors")),
            }
            points.setdefault(start, point)
    return [points[start] for start in sorted(points)]


def _freshness(given: Fields) -> Fields:
    """Read how fresh the figures are; what does not say so is complete up to no time."""
    as_of = safe_time(given.get("asOf"))
    return {
        "asOf": as_of,
        "complete": as_of is not None and given.get("complete") is True,
        "lagSeconds": safe_whole(given.get("lagSeconds")),
        "reconciledThrough": safe_time(given.get("reconciledThrough")),
    }
