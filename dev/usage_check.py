"""`python -m dev.usage_check`: compares usage rows with each other, with windows and with events.

Sums the rows of the last days by hour, day and month and in every grouping, compares them with
the window of the week and, API by API, with what the events of those days add up to. Exit code 1
if anything differs. Needs a dispatcher, by default that of `make dev`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

import httpx

from dev.errors import run_command_line

GROUPINGS = ("api", "tenant", "status", "method", "outcome")
HOURLY_DAYS = 40
_PAGE = 2_000
_TIMEOUT_SECONDS = 60
_ERRORS = (408, 429)
Json: TypeAlias = Any


class Sums(NamedTuple):
    """Calls, errors and revenue in micro-dollars."""

    calls: int = 0
    errors: int = 0
    revenue_micros: int = 0

    def plus(self, other: Sums) -> Sums:
        """Return the sum."""
        return Sums(*map(sum, zip(self, other, strict=True)))


class Difference(NamedTuple):
    """Two sums that should be equal."""

    what: str
    expected: Sums
    found: Sums


def main() -> int:
    """Compare everything; return 1 if anything differs."""
    parser = argparse.ArgumentParser(prog="python -m dev.usage_check", description=__doc__)
    parser.add_argument("--url", default=os.environ.get("CLAWR_URL", "http://localhost:8787"))
    parser.add_argument("--days", type=int, default=90, choices=range(7, 400), metavar="7..399")
    options = parser.parse_args()
    token = os.environ.get("PLATFORM_ANALYTICS_TOKEN", "dev-token")
    headers = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=options.url, headers=headers, timeout=_TIMEOUT_SECONDS) as client:
        total, compared, differences = compare(client, options.days, datetime.now(UTC))
    print(f"{options.days} days: {total.calls:,} calls, {total.errors:,} errors,", end=" ")
    print(f"${total.revenue_micros / 1_000_000:,.6f}; {compared} sums compared")
    for one in differences:
        print(f"DIFFERENT {one.what}: {one.found}, expected {one.expected}")
    print("Everything adds up." if not differences else f"{len(differences)} sums differ.")
    return 1 if differences else 0


def compare(
    client: httpx.Client, days: int, now: datetime
) -> tuple[Sums, int, Sequence[Difference]]:
    """Compare sums of a range that ends with today.

    Args:
        client: Sends requests to a dispatcher without traffic, with a token.
        days: The length of the range.
        now: The current time.

    Returns:
        The sum of the range, how many sums were compared, and those that differ.
    """
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    start, week = midnight - timedelta(days=days - 1), midnight - timedelta(days=6)
    total = _sum(_rows(client, start))
    pairs: list[tuple[str, Sums, Sums]] = [
        ("by month", total, _sum(_rows(client, start, interval="month"))),
        *((f"by {name}", total, _sum(_rows(client, start, groupBy=name))) for name in GROUPINGS),
    ]
    recent = max(start, midnight - timedelta(days=HOURLY_DAYS - 1))
    hours = _sum(_rows(client, recent, interval="hour"))
    pairs.append(("by hour", _sum(_rows(client, recent)), hours))
    snapshot = _get(client, "/__platform/analytics", window="week")["snapshot"]
    pairs.append(("the week", _series(snapshot), _sum(_rows(client, week))))
    found = {row["group"]: _of(row) for row in _rows(client, week, interval="month", groupBy="api")}
    if week.month != midnight.month:
        found = _by_group(_rows(client, week, groupBy="api"))
    for row in snapshot["allApis"]:
        shown = found.get(row["id"], Sums())
        pairs.append((f"{row['id']} in the week", _of_window(row, shown), shown))
    logged = events_by_api(client, start)
    by_api = _by_group(_rows(client, start, groupBy="api"))
    pairs += [
        (f"events of {name}", logged.get(name, Sums()), by_api.get(name, Sums()))
        for name in sorted({*logged, *by_api})
    ]
    different = [Difference(*pair) for pair in pairs if pair[1] != pair[2]]
    return total, len(pairs), different


def events_by_api(client: httpx.Client, start: datetime) -> dict[str, Sums]:
    """Add up the events of the log since a time, by API."""
    calls: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    revenue: Counter[str] = Counter()
    for event in _events(client):
        if event["tenantId"] is None or datetime.fromisoformat(event["at"]) < start:
            continue
        name = f"{event['tenantId']}:{event['endpoint'].removeprefix('/t/')}"
        calls[name] += event["counted"]
        errors[name] += event["counted"] and _is_error(event)
        revenue[name] += event["revenueMicros"]
    names = {name for name in calls if calls[name] or revenue[name]}
    return {name: Sums(calls[name], errors[name], revenue[name]) for name in names}


def _events(client: httpx.Client) -> Iterator[Json]:
    cursor: dict[str, str] = {}
    while True:
        page = _get(client, "/__platform/events", limit=_PAGE, **cursor)
        yield from page["events"]
        if page["cursor"] is None:
            return
        cursor = {"cursor": page["cursor"]}


def _is_error(event: Json) -> bool:
    status, outcome = event["status"], event["outcome"]
    return status >= 500 or status in _ERRORS or outcome == "worker_not_found"


def _rows(client: httpx.Client, start: datetime, **parameters: str) -> Sequence[Json]:
    day = f"{start:%Y-%m-%d}"
    rows: Sequence[Json] = _get(client, "/__platform/usage", **{"from": day}, **parameters)["rows"]
    return rows


def _sum(rows: Sequence[Json]) -> Sums:
    total = Sums()
    for row in rows:
        total = total.plus(_of(row))
    return total


def _by_group(rows: Sequence[Json]) -> dict[str, Sums]:
    found: dict[str, Sums] = {}
    for row in rows:
        found[row["group"]] = found.get(row["group"], Sums()).plus(_of(row))
    return {name: sums for name, sums in found.items() if any(sums)}


def _of(row: Json) -> Sums:
    return Sums(row["calls"], row["errors"], row["revenueMicros"])


def _series(snapshot: Json) -> Sums:
    return _sum(snapshot["series"])


def _of_window(row: Json, shown: Sums) -> Sums:
    """Return the sums of a window's row, whose errors are only shown as a rounded share."""
    is_same = round(100 * shown.errors / max(1, row["calls"]), 4) == row["errorRatePct"]
    errors = shown.errors if is_same else round(row["errorRatePct"] * row["calls"] / 100)
    return Sums(row["calls"], errors, row["revenueMicros"])


def _get(client: httpx.Client, path: str, **parameters: str | int) -> Json:
    response = client.get(path, params=parameters)
    response.raise_for_status()
    return response.json()


if __name__ == "__main__":
    sys.exit(run_command_line(main))
