"""`python -m bench.analytics.usage`: measures `__platform/usage` inside workerd.

400 days of 1,000 APIs, in the database of one shard. The rows of sums are all different; details
are those that the queries need.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.server import Measured, running
from core.calendar import DAY_MS, timestamp
from metering.events import Api, UsageEvent
from metering.totals import ApiId, Totals
from metering.usage.days import ALL_APIS, UsageRow, usage_rows

NOW_MS = 1_795_348_800_000
DAYS = 400
APIS = 1_000
CALLERS = 40
REPEATED = 7
_ROWS_PER_CALL = 4_000
START = timestamp(NOW_MS - (DAYS - 1) * DAY_MS)[:10]
QUARTER = timestamp(NOW_MS - 89 * DAY_MS)[:10]
HOURS = timestamp(NOW_MS - 39 * DAY_MS)[:10]

QUERIES: Mapping[str, Mapping[str, str]] = {
    "all APIs by day": {"from": START},
    "all APIs by day, CSV": {"from": START, "format": "csv"},
    "all APIs by month": {"from": START, "interval": "month"},
    "one API by day": {"from": START, "api": "api-7"},
    "one API by month": {"from": START, "api": "api-7", "interval": "month"},
    "its busiest callers by month": {
        "from": START,
        "api": "api-7",
        "interval": "month",
        "groupBy": "caller",
    },
    "all APIs by outcome and day": {"from": START, "groupBy": "outcome"},
    "all APIs by hour, 40 days": {"from": HOURS, "interval": "hour"},
    "each API by month": {"from": START, "interval": "month", "groupBy": "api"},
    "each API by month, 90 days": {"from": QUARTER, "interval": "month", "groupBy": "api"},
}


def main() -> None:
    """Fill a shard, run each query several times, and print the times."""
    with TemporaryDirectory() as name, running(Path(name)) as worker:
        for rows in _calls_of_rows():
            worker.request("/fill", json.dumps(rows).encode())
        worker.request("/start", now=NOW_MS)
        print(f"{'query':32} {'median ms':>10} {'CPU ms':>8} {'bytes':>10}")
        for what, query in QUERIES.items():
            times, cpu_ms, length = _measured(worker, query)
            print(f"{what:32} {statistics.median(times):10.0f} {cpu_ms:8.0f} {length:10,}")
        print(f"WebAssembly memory: {worker.heap_mb():.0f} MB")


def _measured(worker: Measured, query: Mapping[str, str]) -> tuple[Sequence[float], float, int]:
    """Return the durations of some requests, workerd's CPU time of each, and the length."""
    length = worker.fetch("/usage", **query)
    times: list[float] = []
    before = worker.cpu_seconds()
    for _ in range(REPEATED):
        started = time.perf_counter()
        worker.fetch("/usage", **query)
        times.append((time.perf_counter() - started) * 1000)
    return times, (worker.cpu_seconds() - before) * 1000 / REPEATED, length


def _calls_of_rows() -> Iterator[Sequence[Sequence[str | int]]]:
    group: list[Sequence[str | int]] = []
    for row in _rows():
        group.append(row)
        if len(group) == _ROWS_PER_CALL:
            yield group
            group = []
    yield group


def _rows() -> Iterator[Sequence[str | int]]:
    rng = random.Random(1)  # noqa: S311 (a reproducible sample)
    today = NOW_MS // DAY_MS
    by_id: dict[ApiId, UsageRow] = {row.api_id: row for row in usage_rows(_day(rng))}
    for number in range(APIS):
        yield "apis", f"api-{number}", f"tenant-{number // 2}"
    for day in range(today - DAYS, today):
        for api_id, row in by_id.items():
            factor = rng.randrange(1, 1_000)
            sums = (factor * one for one in row.sums)
            yield "usage_sums", day, *api_id, *sums, row.callers, 0
        for api_id in (ALL_APIS, ApiId("tenant-3", "api-7")):
            yield "usage_details", day, *api_id, by_id[api_id].detail


def _day(rng: random.Random) -> Totals:
    totals = Totals()
    apis = [Api(f"tenant-{n // 2}", f"api-{n}", "", "", 1_000) for n in range(APIS)]
    start_ms = NOW_MS // DAY_MS * DAY_MS - DAY_MS
    for api in apis:
        for _ in range(3 if api.slug != "api-7" else 500):
            status = rng.choice((200, 200, 404, 500))
            outcome = "served" if status < 500 else "tenant_worker_failure"
            at_ms = start_ms + rng.randrange(DAY_MS)
            caller = f"{rng.randrange(CALLERS):016x}"
            event = UsageEvent(
                "r",
                at_ms,
                api,
                "GET",
                status,
                latency_ms=40,
                caller=caller,
                outcome=outcome,
                counted=True,
                revenue_micros=1_000,
            )
            totals.add_all([event])
    return totals


if __name__ == "__main__":
    main()
