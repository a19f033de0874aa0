"""Takes snapshots of events given as a list, through the log and its reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analytics import snapshot
from events import UsageEvent
from ports import Json
from tests.fakes import NOON_MS
from tests.unit.compacting import Log
from views import WindowView


def shot(
    events: Sequence[UsageEvent], window: str = "today", now_ms: int = NOON_MS, top: int = 25
) -> Mapping[str, Json]:
    log = Log()
    log.commit(events)
    return snapshot(window, log.read(window, now_ms), WindowView(), now_ms, top)
