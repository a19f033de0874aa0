"""Plans and carries out an import.

Marks are written before batches, and batches before compaction is requested. So an interrupted
import is counted by cron, and running the same command again completes it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cli.legacy.batches import Identified, OldList, batches, marks
from cli.legacy.counting import (
    LOCAL_POLL_SECONDS,
    POLL_SECONDS,
    ApiName,
    Counted,
    await_counted,
    compact,
    has_all,
    overall_totals,
    ranges,
    recent,
    run_cron,
    sums,
)
from cli.legacy.usage_store import UsageStore
from cli.output import Output
from cli.platform import Platform
from core import constants, keys
from core.calendar import MINUTE_MS, Period
from core.errors import SummaryUnreadable
from gateway.request_context import CallerHasher
from metering.summary import SOURCES_AT, decode_head

LISTED_SECONDS: Final = constants.KV_SETTLE_SECONDS + 15
"""How long a listing at another location may not contain a written key."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A planned import.

    Args:
        old: The list.
        existing: The keys of events that are already in the log.
        before: The dispatcher's totals of each API.
        now_ms: When the plan was made, in milliseconds since 1970.
    """

    old: OldList
    existing: frozenset[str]
    before: Mapping[ApiName, Counted]
    now_ms: int

    @property
    def missing(self) -> Sequence[Identified]:
        """The events that are not in the log yet."""
        return [one for key, one in self.old.events.items() if key not in self.existing]

    @property
    def added(self) -> Mapping[ApiName, Counted]:
        """The totals of the events that are not in the log yet, by API."""
        return sums([one.old.event for one in self.missing])

    @property
    def wanted(self) -> Mapping[ApiName, Counted]:
        """The totals after the import, of each API that it changes."""
        return {
            name: self.before.get(name, Counted()) + added for name, added in self.added.items()
        }

    @property
    def now_minute(self) -> int:
        """When the plan was made, in minutes since 1970."""
        return self.now_ms // MINUTE_MS

    @property
    def older(self) -> int:
        """How many of the events to write are too old to be compacted on request."""
        minutes = [one.minute for one in self.missing]
        return len(minutes) - len(recent(minutes, self.now_minute))


@dataclass(frozen=True, slots=True)
class Work:
    """What an import works with.

    Args:
        store: The usage log.
        platform: The dispatcher's platform API.
        callers: The hash of callers.
        is_local: Whether the dispatcher is a `make dev`.
        output: Shows the progress.
        sleep: Waits for a number of seconds.
    """

    store: UsageStore
    platform: Platform
    callers: CallerHasher
    is_local: bool
    output: Output
    sleep: Callable[[float], None] = field(default=time.sleep)


def make_plan(old: OldList, store: UsageStore, platform: Platform, now_ms: int) -> Plan:
    """Plan an import.

    Args:
        old: The list.
        store: The usage log.
        platform: The dispatcher's platform API.
        now_ms: The current time in milliseconds since 1970.
    """
    existing = existing_keys(old.events, store, now_ms // MINUTE_MS)
    return Plan(old, existing, overall_totals(platform), now_ms)


def existing_keys(
    events: Mapping[str, Identified], store: UsageStore, now_minute: int
) -> frozenset[str]:
    """Return the keys of events that are in the log, or in summaries of expired batches.

    Args:
        events: The events by key.
        store: The usage log.
        now_minute: The current minute, in minutes since 1970.
    """
    existing = frozenset(store.values(list(events)))
    others = [one for key, one in events.items() if key not in existing]
    return existing | _summarized(others, store, now_minute)


def carry_out(plan: Plan, work: Work, patience_seconds: float) -> Mapping[ApiName, Counted]:
    """Write the missing events, have them counted, and return the dispatcher's totals.

    Args:
        plan: A recent plan.
        work: What the import works with.
        patience_seconds: How long to wait until everything is counted.

    Raises:
        CommandError: A request was rejected or failed, or the server could not be reached.
    """
    missing = plan.missing
    with work.output.working(f"Writing {len(missing)} events …"):
        work.store.write(marks(missing, plan.now_ms))
        work.store.write(batches(missing, work.callers))
    if missing and not work.is_local:
        with work.output.working(f"Waiting {LISTED_SECONDS} s until Cloudflare lists them …"):
            work.sleep(LISTED_SECONDS)
    # Also compact existing events, in case an earlier import was interrupted before this step.
    minutes = recent([one.minute for one in plan.old.events.values()], plan.now_minute)
    spans = list(ranges(minutes))
    for number, (first, end) in enumerate(spans, 1):
        with work.output.working(f"Counting range {number} of {len(spans)} …"):
            compact(work.platform, first, end)
    with work.output.working("Waiting until the dispatcher shows them …"):
        return await_counted(
            lambda: overall_totals(work.platform),
            plan.wanted,
            patience_seconds,
            lambda: _pause(work),
        )


def is_counted(plan: Plan, after: Mapping[ApiName, Counted]) -> bool:
    """Return whether the dispatcher's totals include all imported events.

    Args:
        plan: The plan that was carried out.
        after: The dispatcher's totals after it.
    """
    return has_all(after, plan.wanted)


def _pause(work: Work) -> None:
    if work.is_local:
        run_cron(work.platform.url)
        work.sleep(LOCAL_POLL_SECONDS)
    else:
        work.sleep(POLL_SECONDS)


def _summarized(events: Sequence[Identified], store: UsageStore, now_minute: int) -> frozenset[str]:
    """Return the keys of events whose batches have expired but are listed in summaries."""
    old = {one.minute for one in events} - set(recent([one.minute for one in events], now_minute))
    names = {keys.summary("minute", minute): minute for minute in old}
    found = set()
    for name, value in store.values(list(names)).items():
        try:
            head = decode_head(value, Period("minute", names[name]))
        except SummaryUnreadable:
            continue
        prefix = keys.usage_minute(names[name])
        found |= {prefix + source for source in head.body[SOURCES_AT]}
    return frozenset(one.key for one in events if one.key in found)
