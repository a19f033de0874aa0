"""Live invariants: numbers between the log, its summaries and this isolate that must be zero.

Owns what each means, and what to do about it. Refuses to look for itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core import constants, keys
from core.calendar import MINUTE_MS, MINUTES_PER_HOUR, Period, timestamp
from core.errors import KeyMalformed
from core.ports import KeyPage
from metering.consistency import COUNTED, Comparison, Overview
from metering.state import CompactionState

_VISIBLE_MINUTES = 10
"""After this long KV shows a write everywhere, with some to spare."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """One number that is 0 when all is well.

    `explanation` says in plain words what another value means, and `remedy` what
    to do about it, if anything. `needs_someone` tells whether a person has to.
    """

    name: str
    value: int
    explanation: str = ""
    remedy: str = ""
    needs_someone: bool = False


def invariants_of(
    overview: Overview, found: Comparison, oldest: int | None, isolate: Mapping[str, int]
) -> Sequence[Invariant]:
    """Put into words what was found; `isolate` is what `UsageLog.report` says."""
    waiting = overview.now_minute - oldest if oldest is not None else 0
    marked = _marked_minutes(overview.late)
    unexplained = [minute for minute in found.differing if minute not in marked]
    again = (
        f"POST /__platform/compact?from={_shown(found.settled - MINUTES_PER_HOUR)}"
        f"&to={_shown(found.end)} makes them again from the log."
    )
    lost = isolate["eventsDropped"] + found.dropped
    unaccounted = isolate["eventsAppended"] - sum(
        isolate[name] for name in ("eventsCommitted", "eventsHeld", "eventsDropped")
    )
    return [
        Invariant(
            "uncompactedMinutes",
            waiting,
            f"The oldest minute without a summary is {_shown(overview.now_minute - waiting)}."
            " Cron makes one within a minute or two, a read that meets a gap as well.",
            "See in wrangler.toml and in the dashboard that cron runs every minute, and in its log"
            f" what stops it. Batches expire after {constants.BATCH_DAYS} days.",
            needs_someone=waiting > constants.BACKLOG_MINUTES_MAX,
        ),
        Invariant(
            "settledMinutesUnlikeTheLog",
            len(found.differing),
            f"Other batches than the summary of their hour was made of are there of"
            f" {_list_of(found.differing)}."
            + ("" if unexplained else " Marks of late batches are waiting for each."),
            again if unexplained else "",
            needs_someone=bool(unexplained),
        ),
        Invariant(
            "summariesUnread",
            len(found.unread),
            "Missing, damaged or older than progress says:"
            f" {', '.join(keys.summary(*period) for period in found.unread[:3])}."
            " KV shows a new value everywhere after a minute or so.",
            again,
            needs_someone=any(
                period.end + _VISIBLE_MINUTES <= _made_until(period, overview)
                for period in found.unread
            ),
        ),
        *(
            Invariant(
                f"{name}UnlikeTheLog",
                found.surplus[name],
                "Summaries name the right batches, and have other figures than those.",
                again,
                needs_someone=found.surplus[name] > 0,
            )
            for name in COUNTED
        ),
        Invariant(
            "unreadableBatches",
            len(found.unreadable),
            f"Set aside and in no figure: {', '.join(found.unreadable[:3])}."
            " They were cut short, or written by a newer version.",
            f"Deploy the version that can read them. Then {again}",
            needs_someone=bool(found.unreadable),
        ),
        Invariant(
            "droppedEvents",
            lost,
            "KV refused writes for so long that events no longer fitted into memory;"
            " they are in no figure.",
            "See that KV takes writes again. What was dropped cannot be had back.",
            needs_someone=lost > 0,
        ),
        Invariant(
            "waitingBatches",
            found.waiting,
            "Listed after the summaries of their minutes were made; they are counted one by one"
            " until these are made again, 20 minutes after the minute.",
        ),
        Invariant(
            "lateBatches",
            len(overview.late.keys),
            "Marks of batches that were written long after their minute; compaction makes these"
            " minutes again, and then takes the marks away.",
        ),
        Invariant(
            "heldEvents",
            isolate["eventsHeld"],
            "In this isolate's memory, on their way to KV, or waiting for it to take writes.",
        ),
        Invariant(
            "unaccountedEvents",
            unaccounted,
            "Events that this isolate took and neither wrote nor holds nor dropped.",
            "This is a defect: report it with this answer.",
            needs_someone=unaccounted != 0,
        ),
    ]


def _made_until(period: Period, overview: Overview) -> int:
    progress = overview.progress or CompactionState()
    return progress.settled if period.level == "hour" else progress.made


def _marked_minutes(late: KeyPage) -> frozenset[int]:
    minutes = set()
    for key in late.keys:
        try:
            minutes.add(keys.parse_late(key.name).minute)
        except KeyMalformed:
            continue
    return frozenset(minutes)


def _list_of(minutes: Sequence[int]) -> str:
    more = f" and {len(minutes) - 3} more" if len(minutes) > 3 else ""
    return ", ".join(_shown(minute) for minute in minutes[:3]) + more


def _shown(minute: int) -> str:
    return timestamp(minute * MINUTE_MS)
