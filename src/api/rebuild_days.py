"""Rebuilds UTC days of all shards from the log, for as long as one request may take."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from core import constants
from core.calendar import DAY_MS, timestamp
from core.ports import Clock, Json, UsageShards


async def rebuild_days(shards: UsageShards, clock: Clock, days: range) -> Mapping[str, Json]:
    """Rebuild days one after the other, each in all shards.

    Stops after `REBUILD_MS`; a shard then continues with the same day in the next request.

    Args:
        shards: The shards.
        clock: Tells when to stop.
        days: UTC days since 1970.

    Returns:
        The fields of `POST /__platform/compact`.

    Raises:
        ShardUnavailable: A shard did not respond. What it rebuilt before remains.
    """
    deadline_ms = clock.now_ms() + constants.REBUILD_MS
    shown: list[Mapping[str, Json]] = []
    next_day = None
    for day in days:
        results = await asyncio.gather(
            *(_rebuild(shards, clock, shard, day, deadline_ms) for shard in range(shards.count))
        )
        shown += results
        if not all(result["complete"] for result in results):
            next_day = day
            break
        if clock.now_ms() >= deadline_ms and day != days[-1]:
            next_day = day + 1
            break
    return {
        "from": _date(days[0]),
        "to": _date(days[-1] + 1),
        "complete": next_day is None,
        "next": None if next_day is None else _date(next_day),
        "changed": sorted({str(result["day"]) for result in shown if result["changed"]}),
        "days": shown,
    }


async def _rebuild(
    shards: UsageShards, clock: Clock, shard: int, day: int, deadline_ms: int
) -> Mapping[str, Json]:
    request = json.dumps({"day": day})
    while True:
        result = json.loads(await shards.call(shard, "rebuild", request))
        if result["complete"] or clock.now_ms() >= deadline_ms:
            return {"day": _date(day), "shard": shard, **result}


def _date(day: int) -> str:
    return timestamp(day * DAY_MS)[:10]
