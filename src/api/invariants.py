"""Live invariants: numbers about the usage log, its summaries and this isolate that must be 0."""

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
"""KV shows a write everywhere after about one minute; this is that, with a margin."""

_EXAMPLES_MAX = 3
"""Minutes or keys that an explanation lists."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """One number that is 0 unless something is wrong or unfinished.

    `explanation` says what another value means, `remedy` what to do about it,
    if anything. `needs_someone` tells whether a person has to act.
    """

    name: str
    value: int
    explanation: str = ""
    remedy: str = ""
    needs_someone: bool = False


def invariants_of(
    overview: Overview,
    comparison: Comparison,
    oldest_uncompacted: int | None,
    isolate: Mapping[str, int],
) -> Sequence[Invariant]:
    """Return every invariant, broken or not.

    `oldest_uncompacted` is a minute since 1970, None if every minute has its
    summary. `isolate` is the report of this isolate's `UsageRecorder`.
    """
    rebuild = (
        f"POST /__platform/compact?from={minute_timestamp(comparison.settled - MINUTES_PER_HOUR)}"
        f"&to={minute_timestamp(comparison.end)} rebuilds the summaries from the log."
    )
    return [
        _uncompacted_minutes(overview, oldest_uncompacted),
        *_summary_invariants(overview, comparison, rebuild),
        *_event_invariants(overview, comparison, isolate, rebuild),
    ]


def minute_timestamp(minute: int) -> str:
    """Return the start of a minute since 1970, as `timestamp` writes it."""
    return timestamp(minute * MINUTE_MS)


def _uncompacted_minutes(overview: Overview, oldest: int | None) -> Invariant:
    waiting = overview.now_minute - oldest if oldest is not None else 0
    return Invariant(
        "uncompactedMinutes",
        waiting,
        f"The oldest minute without a summary is {minute_timestamp(overview.now_minute - waiting)}."
        " Cron, or a read that misses the summary, builds it within a minute or two.",
        "Check in wrangler.toml and in the dashboard that cron runs every minute, and look in its"
        f" log for errors. Batches expire after {constants.BATCH_DAYS} days.",
        needs_someone=waiting > constants.BACKLOG_MINUTES_MAX,
    )


def _summary_invariants(
    overview: Overview, comparison: Comparison, rebuild: str
) -> Sequence[Invariant]:
    """Return the differences between summaries and the batches that they summarize."""
    marked = _marked_minutes(overview.late)
    unexplained = [minute for minute in comparison.differing if minute not in marked]
    unread = [keys.summary(*period) for period in comparison.unread]
    return [
        Invariant(
            "settledMinutesUnlikeTheLog",
            len(comparison.differing),
            "The log has other batches than the hour's summary was built from, in these minutes:"
            f" {_list_of([minute_timestamp(minute) for minute in comparison.differing])}."
            + ("" if unexplained else " Each has a late-batch marker, so cron will rebuild it."),
            rebuild if unexplained else "",
            needs_someone=bool(unexplained),
        ),
        Invariant(
            "summariesUnread",
            len(unread),
            "These summaries are missing, damaged, or older than the compaction state says:"
            f" {_list_of(unread)}. KV shows a new value everywhere after about a minute.",
            rebuild,
            needs_someone=any(
                period.end + _VISIBLE_MINUTES <= _compacted_until(period, overview)
                for period in comparison.unread
            ),
        ),
        *(
            Invariant(
                f"{name}UnlikeTheLog",
                comparison.drift[name],
                "Summaries were built from the right batches, but their totals differ from the"
                " batches' totals.",
                rebuild,
                needs_someone=comparison.drift[name] > 0,
            )
            for name in COUNTED
        ),
    ]


def _event_invariants(
    overview: Overview, comparison: Comparison, isolate: Mapping[str, int], rebuild: str
) -> Sequence[Invariant]:
    """Return what is unreadable, lost or not counted yet."""
    dropped = isolate["eventsDropped"] + comparison.dropped
    unaccounted = isolate["eventsAppended"] - sum(
        isolate[name] for name in ("eventsCommitted", "eventsHeld", "eventsDropped")
    )
    return [
        Invariant(
            "unreadableBatches",
            len(comparison.unreadable),
            f"These batches are in no total: {_list_of(comparison.unreadable)}."
            " They are incomplete, or a newer version wrote them.",
            f"Deploy the version that can read them. Then {rebuild}",
            needs_someone=bool(comparison.unreadable),
        ),
        Invariant(
            "droppedEvents",
            dropped,
            "KV refused writes until the memory for events was full. These events are in no total.",
            "Check that KV accepts writes again. Dropped events cannot be recovered.",
            needs_someone=dropped > 0,
        ),
        Invariant(
            "waitingBatches",
            comparison.waiting,
            "These batches arrived after the summaries of their minutes were built. Readers add"
            " them one by one until the summaries are rebuilt, 20 minutes after the minute.",
        ),
        Invariant(
            "lateBatches",
            len(overview.late.keys),
            "Batches were written long after their minute. Compaction rebuilds these minutes, and"
            " then deletes the batches' markers.",
        ),
        Invariant(
            "heldEvents",
            isolate["eventsHeld"],
            "These events are in this isolate's memory and not in KV yet.",
        ),
        Invariant(
            "unaccountedEvents",
            unaccounted,
            "This isolate recorded events that it neither wrote, nor holds, nor dropped.",
            "This is a defect of the dispatcher: report it with this response.",
            needs_someone=unaccounted != 0,
        ),
    ]


def _compacted_until(period: Period, overview: Overview) -> int:
    state = overview.state or CompactionState()
    return state.watermark if period.level == "hour" else state.summarized_until


def _marked_minutes(late: KeyPage) -> frozenset[int]:
    """Return the minutes that have a late-batch marker."""
    minutes = set()
    for key in late.keys:
        try:
            minutes.add(keys.parse_late_marker(key.name).minute)
        except KeyMalformed:
            # Another version's key; it marks no minute that this version knows.
            continue
    return frozenset(minutes)


def _list_of(texts: Sequence[str]) -> str:
    rest = len(texts) - _EXAMPLES_MAX
    return ", ".join(texts[:_EXAMPLES_MAX]) + (f" and {rest} more" if rest > 0 else "")
