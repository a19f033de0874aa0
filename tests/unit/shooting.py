"""Takes snapshots of events given as a list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import keys
from analytics import snapshot
from events import Batch, UsageEvent
from ports import Json
from rollups import Day, Listing
from tests.fakes import NOON_MS


def days_from(events: Iterable[UsageEvent], dropped: int = 0) -> Mapping[int, Day]:
    days: dict[int, Day] = {}
    for one in events:
        days.setdefault(one.at_ms // keys.DAY_MS, Day()).add(Batch([one], dropped))
    return days


def shot(
    events: Sequence[UsageEvent], window: str = "today", now_ms: int = NOON_MS, top: int = 25
) -> Mapping[str, Json]:
    return snapshot(window, days_from(events), Listing(), now_ms, top)
