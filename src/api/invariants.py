"""Live invariants: numbers about the usage log and this isolate that must be 0 or explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core import constants
from core.calendar import DAY_MS, HOUR_MS, timestamp
from core.ports import Json

_LATE_FLUSH_SECONDS = 120
"""A shard writes a segment every 10 s; it tries again each minute if KV refuses."""

_LATE_FOLD_MS = 2 * HOUR_MS
"""How long after midnight a day must be folded, with a margin for outages of KV."""

_EXAMPLES_MAX = 3
"""Names that an explanation lists."""


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
    shards: Sequence[Mapping[str, Json] | None], isolate: Mapping[str, int], now_ms: int
) -> Sequence[Invariant]:
    """Return every invariant, broken or not.

    Args:
        shards: What `UsageShard.health` returned, by shard; None for one that did not respond.
        isolate: The report of this isolate's `UsageRecorder`.
        now_ms: The current time.
    """
    silent = [str(number) for number, report in enumerate(shards) if report is None]
    found = [report for report in shards if report is not None]
    return [
        Invariant(
            "unresponsiveShards",
            len(silent),
            f"These shards of the usage log do not respond: {_list_of(silent)}. Recorders keep"
            " their events and then write them to KV, and totals are not current.",
            "Look in the log for errors of the Durable Object UsageShard.",
            needs_someone=bool(silent),
        ),
        _oldest_unflushed(found),
        Invariant(
            "uncheckpointedPositions",
            sum(report["acknowledged"] - report["checkpointed"] for report in found),
            "These commits are stored as rows, and their totals are in the shard's memory. The"
            " totals are stored every few minutes.",
        ),
        _unfolded_days(found, now_ms),
        Invariant(
            "spilledBatches",
            sum(report["spillsWaiting"] for report in found),
            "Recorders wrote these batches to KV because a shard did not respond or refused them."
            f" A shard adds them within {constants.SPILL_CHECK_MS // 60_000} minutes.",
            "If the number stays, deploy the version that wrote them: KV keeps them for"
            f" {constants.SPILL_DAYS} days.",
        ),
        _sequence_gaps(found),
        _dropped_events(found, isolate),
        Invariant(
            "refusedBatches",
            sum(report["sinceStart"]["refusedBatches"] for report in found),
            "Since they started, shards refused these batches, which were unreadable or of another"
            " version. Recorders wrote them to KV. This is normal during a deployment.",
        ),
        _damaged_totals(found),
        *_isolate_invariants(isolate),
    ]


def _oldest_unflushed(shards: Sequence[Mapping[str, Json]]) -> Invariant:
    seconds = max((report["oldestUnflushedSeconds"] for report in shards), default=0)
    waiting = sum(report["acknowledged"] - report["flushed"] for report in shards)
    return Invariant(
        "oldestUnflushedSeconds",
        seconds,
        f"The age of the oldest of {waiting} commits that are not in USAGE_KV yet. They are stored"
        f" and counted; a shard writes a segment every {constants.FLUSH_MS // 1000} seconds.",
        "Check that KV accepts writes, and look in the log for shard_store_unavailable.",
        needs_someone=seconds > _LATE_FLUSH_SECONDS,
    )


def _unfolded_days(shards: Sequence[Mapping[str, Json]], now_ms: int) -> Invariant:
    today = now_ms // DAY_MS
    days: set[int] = set()
    is_late = False
    for report in shards:
        closed = [day for day, _ in report["openParts"] if day < today]
        days.update(closed)
        # Late events of days that are folded already are folded within the next hour.
        overdue = [day for day in closed if day >= report["foldedUntilDay"]]
        is_late = is_late or any(now_ms >= (day + 1) * DAY_MS + _LATE_FOLD_MS for day in overdue)
    names = [timestamp(day * DAY_MS)[:10] for day in sorted(days)]
    return Invariant(
        "unfoldedDays",
        len(days),
        f"These days have events that are not in their roll-ups yet: {_list_of(names)}. They are"
        " counted. A day is folded some minutes after midnight, later events within an hour.",
        "Check that KV accepts writes, and look in the log for shard_store_unavailable.",
        needs_someone=is_late,
    )


def _sequence_gaps(shards: Sequence[Mapping[str, Json]]) -> Invariant:
    gaps = {name: count for report in shards for name, count in report["gaps"].items()}
    names = [f"{name} ({count})" for name, count in sorted(gaps.items())]
    return Invariant(
        "missingBatches",
        sum(gaps.values()),
        f"These recorders sent later batches, but earlier ones have not arrived: {_list_of(names)}."
        " They wait in KV as spilled batches, or their isolate ended before they were acknowledged."
        f" A recorder is forgotten after {constants.WRITER_DAYS} days.",
    )


def _dropped_events(shards: Sequence[Mapping[str, Json]], isolate: Mapping[str, int]) -> Invariant:
    dropped = isolate["eventsDropped"] + sum(report["dropped"] for report in shards)
    return Invariant(
        "droppedEvents",
        dropped,
        "Neither shards nor KV accepted events until the memory for events was full. These events"
        " are in no total.",
        "Check that the shards respond. Dropped events cannot be recovered.",
        needs_someone=dropped > 0,
    )


def _damaged_totals(shards: Sequence[Mapping[str, Json]]) -> Invariant:
    damaged = [text for report in shards for text in report["damaged"].values()]
    return Invariant(
        "damagedTotals",
        len(damaged),
        f"These stored totals are missing or damaged, and the log no longer has their events:"
        f" {_list_of(damaged)}. The windows lack them.",
        "Restore the keys from a backup, or accept the loss.",
        needs_someone=bool(damaged),
    )


def _isolate_invariants(isolate: Mapping[str, int]) -> Sequence[Invariant]:
    unaccounted = isolate["eventsRecorded"] - sum(
        isolate[name]
        for name in ("eventsAcknowledged", "eventsSpilled", "eventsBuffered", "eventsDropped")
    )
    return [
        Invariant(
            "bufferedEvents",
            isolate["eventsBuffered"],
            "These events are in this isolate's memory and not acknowledged yet.",
        ),
        Invariant(
            "unaccountedEvents",
            unaccounted,
            "This isolate recorded events that it neither sent, nor buffers, nor dropped.",
            "This is a defect of the dispatcher: report it with this response.",
            needs_someone=unaccounted != 0,
        ),
    ]


def _list_of(texts: Sequence[str]) -> str:
    rest = len(texts) - _EXAMPLES_MAX
    return ", ".join(texts[:_EXAMPLES_MAX]) + (f" and {rest} more" if rest > 0 else "")
