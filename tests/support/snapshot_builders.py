"""Builds snapshots of given events, by way of the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.ports import Json
from metering.events import UsageEvent
from snapshots.render import snapshot
from snapshots.window_cache import WindowCache
from tests.support.fakes import NOON_MS
from tests.support.usage_log import Log


def shot(
    events: Sequence[UsageEvent], window: str = "today", now_ms: int = NOON_MS, top: int = 25
) -> Mapping[str, Json]:
    log = Log()
    log.commit(events)
    return snapshot(window, log.read(window, now_ms), WindowCache(), now_ms, top)
