"""Reduces any JSON value to a snapshot of the documented shape for the public page.

Never raises. A sanitized snapshot passes through unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from analytics import WINDOWS, days_of
from api.explore.routes import ID_LENGTH_MAX
from core import constants
from core.calendar import DAY_MS, timestamp
from core.ports import Json
from metering.totals import DEFAULT_DIRECTORY
from snapshots.ranking import UNKNOWN_OWNER, RankedRow, shown_revenue
from snapshots.serialization import json_text

_MICROS_PER_USD = 1_000_000
_TREND_POINTS_MAX = {"today": 24, "week": 7, "overall": constants.TREND_DAYS}
"""By window; a point of `today` is an hour, of the other windows a day."""

_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""Control and invisible characters, direction changes, and surrogates. Not the joiners U+200C and
U+200D, which some scripts and emoji need."""

_ENDPOINT = re.compile(r"(?=/)(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)*/?", re.ASCII)
"""A path without characters that are special in a URL or in a shell: people copy it into both. It
is `/` for an API at a host of its own."""

_ENDPOINT_LENGTH_MAX = 200
_TIME_LENGTH_MAX = 40
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""

_HERO_COUNTS = ("activeAgents", "publishedApis", "directories", "calls")
_Object = Mapping[str, Json]


@dataclass(slots=True)
class SafeRows:
    """The sanitized rows of one window; those of this Worker are cached while they are the same."""

    window: str
    _known: dict[int, tuple[_Object, _SafeRow]] = field(default_factory=dict)

    def read(self, values: Sequence[Json]) -> Sequence[RankedRow]:
        """Return the rows that can be shown, with new ranks."""
        known, self._known = self._known, {}
        by_id: dict[str, _SafeRow] = {}
        for value in values:
            # Fields of a `RankedRow` never change, and their id is their own while they are kept.
            fields = value.unranked if isinstance(value, RankedRow) else None
            _, row = known.get(id(fields), (None, None))
            if row is None:
                row = _row(as_object(value), self.window)
            if row is not None:
                by_id.setdefault(row.fields["id"], row._replace(rank=safe_whole(value.get("rank"))))
                if fields is not None:
                    self._known[id(fields)] = (fields, row)
        rows = list(by_id.values())
        if all(row.rank for row in rows):
            rows.sort(key=lambda row: row.rank)
        return [
            RankedRow(rank, row.fields, row.fields_json) for rank, row in enumerate(rows, start=1)
        ]


class _SafeRow(NamedTuple):
    """A row's fields except the rank, and the rank as given, which is 0 if it is invalid."""

    rank: int
    fields: Mapping[str, Json]
    fields_json: str


def safe_snapshot(
    document: Json, window: str, now_ms: int, top: int, safe_rows: SafeRows | None = None
) -> _Object:
    """Reduce `document` to a snapshot of `window`, with the fields that the page shows.

    API rows that are no objects, have no usable endpoint, or repeat an id are dropped, and
    ranks are renumbered without gaps. The hero statistics are at least the sums of the
    rows. `now_ms` replaces missing times. `topApis` are the first `top` of `allApis`. `safe_rows`
    has the rows of earlier calls.
    """
    given = as_object(document)
    rows = (safe_rows or SafeRows(window)).read(
        _list(given.get("allApis")) or _list(given.get("topApis"))
    )
    directories = _directories(_list(given.get("directories")), window)
    generated = _time(given.get("generatedAt")) or timestamp(now_ms)
    return {
        "window": window,
        "generatedAt": generated,
        "range": _range(as_object(given.get("range")), window, generated),
        "heroStats": _at_least(_hero(given.get("heroStats"), window), rows, directories),
        "previous": _previous(given.get("previous"), window),
        "apis": {
            "total": max(safe_whole(as_object(given.get("apis")).get("total")), len(rows)),
            "shown": len(rows),
        },
        "topApis": rows[:top],
        "allApis": rows,
        "directories": directories,
        "series": _series(given.get("series")),
        "freshness": _freshness(as_object(given.get("freshness"))),
    }


def empty_snapshot(window: str, now_ms: int) -> _Object:
    """Return a snapshot without any calls."""
    return safe_snapshot({}, window, now_ms, 0)


def is_snapshot(document: Json, window: str) -> bool:
    """Return whether a document looks like a snapshot of `window`; its values may be invalid."""
    given = as_object(document)
    return (
        given.get("window", window) == window
        and isinstance(given.get("heroStats"), dict)
        and isinstance(given.get("allApis", given.get("topApis")), list)
    )


def as_object(value: Json) -> _Object:
    """Return a value, or an empty object if it is no object."""
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> Sequence[Json]:
    return value[: constants.ALL_APIS_MAX] if isinstance(value, list) else []


def _row(given: _Object, window: str) -> _SafeRow | None:
    endpoint = safe_endpoint(given.get("endpoint"))
    if endpoint is None:
        return None
    error_rate = _amount(given.get("errorRatePct"), 100)
    uptime = given.get("uptimePct")
    fields = {
        "id": safe_text(given.get("id"), endpoint, ID_LENGTH_MAX),
        "endpoint": endpoint,
        "owner": safe_owner(given.get("owner")),
        "directory": safe_directory(given.get("directory")),
        "priceUsd": _amount(given.get("priceUsd")),
        "calls": safe_whole(given.get("calls")),
        **_revenue(given),
        "uniqueCallers": _callers(given.get("uniqueCallers"), window),
        "latencyMs": _amount(given.get("latencyMs")),
        "p95LatencyMs": _amount(given.get("p95LatencyMs")),
        "errorRatePct": error_rate,
        "uptimePct": _amount(uptime, 100) if _is_amount(uptime) else round(100 - error_rate, 4),
        "topCallerShare": _amount(given.get("topCallerShare"), 1),
        "maxHourShare": _amount(given.get("maxHourShare"), 1),
        "diversityRatio": _amount(given.get("diversityRatio")),
        "trendingScore": _amount(given.get("trendingScore")),
        "trend": _trend(given.get("trend"), _TREND_POINTS_MAX.get(window, constants.TREND_DAYS)),
    }
    return _SafeRow(safe_whole(given.get("rank")), fields, json_text(fields))


def safe_endpoint(value: Json) -> str | None:
    """Return a path that is safe in a URL and in a shell; None for any other value."""
    if not isinstance(value, str) or len(value) > _ENDPOINT_LENGTH_MAX:
        return None
    return value if _ENDPOINT.fullmatch(value) else None


def safe_owner(value: Json) -> str:
    """Return an owner as shown, with `@`."""
    # One more than the directory allows, for the `@` that every shown owner starts with.
    name = safe_text(value, "", constants.TEXT_LENGTH_MAX + 1).removeprefix("@").strip()
    return "@" + name[: constants.TEXT_LENGTH_MAX].rstrip() if name else UNKNOWN_OWNER


def safe_directory(value: Json) -> str:
    """Return a category as shown."""
    return safe_text(value, DEFAULT_DIRECTORY, constants.TEXT_LENGTH_MAX)


def _trend(value: Json, points: int) -> Sequence[int]:
    return [safe_whole(calls) for calls in value[-points:]] if isinstance(value, list) else []


def _revenue(given: _Object) -> _Object:
    """Read the exact micro-dollars, or the dollars if there are none."""
    micros = given.get("revenueMicros")
    if not _is_amount(micros):
        micros = round(
            _amount(given.get("revenueUsd"), constants.INTEGER_MAX // _MICROS_PER_USD)
            * _MICROS_PER_USD
        )
    return shown_revenue(safe_whole(micros))


def _callers(value: Json, window: str) -> int | None:
    """Read a number of distinct callers; in ranges that are no windows, it may not be known."""
    return None if value is None and window not in WINDOWS else safe_whole(value)


def _hero(value: Json, window: str = WINDOWS[0]) -> _Object:
    given = as_object(value)
    counts = {name: safe_whole(given.get(name)) for name in _HERO_COUNTS}
    callers = {"activeAgents": _callers(given.get("activeAgents"), window)}
    return {**counts, **callers, **_revenue(given)}


def _at_least(hero: _Object, rows: Sequence[_Object], directories: Sequence[_Object]) -> _Object:
    """Raise each statistic to the sum, or the maximum, of its parts."""
    parts = {
        "activeAgents": max((row["uniqueCallers"] or 0 for row in rows), default=0),
        "publishedApis": sum(row["calls"] > 0 for row in rows),
        "directories": len(directories),
        "calls": _sum(row["calls"] for row in rows),
    }
    micros = max(hero["revenueMicros"], _sum(row["revenueMicros"] for row in rows))
    counts = {
        name: None if hero[name] is None else max(hero[name], part) for name, part in parts.items()
    }
    return {**counts, **shown_revenue(micros)}


def _sum(parts: Iterable[int]) -> int:
    return min(sum(parts), constants.INTEGER_MAX)


def _range(given: _Object, window: str, generated: str) -> _Object:
    """Read a window's range; a missing one is computed from the time of the snapshot."""
    end = _time(given.get("endAt")) or generated
    start = _time(given.get("startAt"))
    if window not in WINDOWS:
        return {"startAt": start, "endAt": end}
    days = days_of(window, int(datetime.fromisoformat(end).timestamp() * 1000))
    if days is None:
        return {"startAt": None, "endAt": end}
    if start is None or start > end:
        start = timestamp(max(0, days[0]) * DAY_MS)
    return {"startAt": start, "endAt": end}


def _previous(value: Json, window: str) -> _Object | None:
    """Read the previous period's statistics; None if its range is missing or invalid."""
    given = as_object(value)
    bounds = as_object(given.get("range"))
    start, end = _time(bounds.get("startAt")), _time(bounds.get("endAt"))
    is_open = window == "overall"
    if end is None or not (is_open or (start is not None and start <= end)):
        return None
    start = None if is_open else start
    hero = as_object(given.get("heroStats"))
    unknown = {name: None for name in _HERO_COUNTS if name in hero and hero[name] is None}
    return {"range": {"startAt": start, "endAt": end}, "heroStats": {**_hero(hero), **unknown}}


def _directories(values: Sequence[Json], window: str) -> Sequence[_Object]:
    by_name: dict[str, _Object] = {}
    for value in values:
        if isinstance(value, dict):
            name = safe_directory(value.get("directory"))
            row = {
                "directory": name,
                "calls": safe_whole(value.get("calls")),
                **_revenue(value),
                "apis": safe_whole(value.get("apis")),
                "uniqueCallers": _callers(value.get("uniqueCallers"), window),
            }
            by_name.setdefault(name, row)
    return list(by_name.values())


def _series(values: Json) -> Sequence[_Object]:
    """Read the time series; points without a time, or with a repeated one, are dropped."""
    newest = values[-constants.SERIES_POINTS_MAX :] if isinstance(values, list) else []
    points: dict[str, _Object] = {}
    for value in map(as_object, newest):
        start = _time(value.get("startAt"))
        if start is not None:
            point = {
                "startAt": start,
                "calls": safe_whole(value.get("calls")),
                **_revenue(value),
                "errors": safe_whole(value.get("errors")),
            }
            points.setdefault(start, point)
    return [points[start] for start in sorted(points)]


def _freshness(given: _Object) -> _Object:
    """Read the freshness; without `asOf`, a snapshot is never complete."""
    as_of = _time(given.get("asOf"))
    return {
        "asOf": as_of,
        "complete": as_of is not None and given.get("complete") is True,
        "lagSeconds": safe_whole(given.get("lagSeconds")),
    }


def safe_text(value: Json, default: str, length_max: int) -> str:
    """Return text as one line of at most `length_max` characters; `default` if that is empty."""
    if not isinstance(value, str):
        return default
    # Hidden characters do not count, so more than the maximum is searched for them, but not all.
    line = _HIDDEN.sub("", value[: 4 * length_max]).strip()
    return line[:length_max].rstrip() or default


def _is_amount(value: Json) -> bool:
    """Return whether a value is a number of at least 0; booleans are not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _amount(value: Json, maximum: int = constants.INTEGER_MAX) -> int | float:
    """Return a number from 0 to `maximum`; 0 if the value is not a positive number."""
    # Not `max(0, value)`, which would return -0.0 unchanged.
    return min(value, maximum) if _is_amount(value) and value > 0 else 0


def safe_whole(value: Json, maximum: int = constants.INTEGER_MAX) -> int:
    """Return what `_amount` returns, without its fraction."""
    return int(_amount(value, maximum))


def _time(value: Json) -> str | None:
    """Return a time with a zone in UTC, as `timestamp` writes it; None for other values."""
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
