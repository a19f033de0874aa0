"""The import itself: what is there already, what it comes to, and the writing of the rest.

Owns the order: marks before batches, batches before compaction. Whatever ends it in between,
the same command goes on: marks make compaction look, and keys are the same again.
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
    counted_ever,
    has_all,
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
"""How long after a write a listing at another location may lack it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import would do.

    Args:
        old: The list.
        there: The keys of its events that are in the log already.
        before: What the dispatcher counted of each API, ever.
        now_ms: When this was looked at, in milliseconds since 1970.
    """

    old: OldList
    there: frozenset[str]
    before: Mapping[ApiName, Counted]
    now_ms: int

    @property
    def lacking(self) -> Sequence[Identified]:
        """The events that are not in the log yet."""
        return [one for key, one in self.old.events.items() if key not in self.there]

    @property
    def comes_to(self) -> Mapping[ApiName, Counted]:
        """What the events that are not in the log yet come to, by API."""
        return sums([one.old.event for one in self.lacking])

    @property
    def now_minute(self) -> int:
        """When this was looked at, in minutes since 1970."""
        return self.now_ms // MINUTE_MS

    @property
    def older(self) -> int:
        """How many of the events to be written are older than the log that summaries need."""
        minutes = [one.minute for one in self.lacking]
        return len(minutes) - len(recent(minutes, self.now_minute))


@dataclass(frozen=True, slots=True)
class Work:
    """Where an import is done.

    Args:
        store: The usage log.
        platform: The dispatcher's platform API.
        callers: Hashes those who called.
        is_local: Whether the dispatcher is a `make dev`.
        output: Where progress is shown.
        sleep: Waits for some seconds.
    """

    store: UsageStore
    platform: Platform
    callers: CallerHasher
    is_local: bool
    output: Output
    sleep: Callable[[float], None] = field(default=time.sleep)


def make_plan(old: OldList, store: UsageStore, platform: Platform, now_ms: int) -> Plan:
    """Look at what is there.

    Args:
        old: The list.
        store: The usage log.
        platform: The dispatcher's platform API.
        now_ms: Now, in milliseconds since 1970.
    """
    there = already_there(old.events, store, now_ms // MINUTE_MS)
    return Plan(old, there, counted_ever(platform), now_ms)


def already_there(
    events: Mapping[str, Identified], store: UsageStore, now_minute: int
) -> frozenset[str]:
    """Return the keys of those events that are in the log, or were when they were summarised.

    Args:
        events: By key.
        store: The usage log.
        now_minute: Now, in minutes since 1970.
    """
    there = frozenset(store.values(list(events)))
    lacking = [one for key, one in events.items() if key not in there]
    return there | _summarised(lacking, store, now_minute)


def carry_out(plan: Plan, work: Work, patience_seconds: float) -> Mapping[ApiName, Counted]:
    """Write what is lacking, have it counted, and return what the dispatcher counts then.

    Args:
        plan: What `make_plan` returned a moment ago.
        work: Where it is done.
        patience_seconds: How long to wait until everything is counted.

    Raises:
        CommandError: It was refused, failed, or could not be reached.
    """
    lacking = plan.lacking
    with work.output.working(f"Writing {len(lacking)} events …"):
        work.store.write(marks(lacking, plan.now_ms))
        work.store.write(batches(lacking, work.callers))
    if lacking and not work.is_local:
        with work.output.working(f"Waiting {LISTED_SECONDS} s until Cloudflare lists them …"):
            work.sleep(LISTED_SECONDS)
    # Also for events that were there: an import that ended early is gone on with.
    minutes = recent([one.minute for one in plan.old.events.values()], plan.now_minute)
    asked = list(ranges(minutes))
    for number, (first, end) in enumerate(asked, 1):
        with work.output.working(f"Counting range {number} of {len(asked)} …"):
            compact(work.platform, first, end)
    wanted = {name: plan.before.get(name, Counted()) + more for name, more in plan.comes_to.items()}
    with work.output.working("Waiting until the dispatcher shows them …"):
        return await_counted(
            lambda: counted_ever(work.platform),
            wanted,
            patience_seconds,
            lambda: _pause(work),
        )


def is_counted(plan: Plan, after: Mapping[ApiName, Counted]) -> bool:
    """Tell whether everything that was written shows in the figures.

    Args:
        plan: What was done.
        after: What the dispatcher counts now.
    """
    wanted = {name: plan.before.get(name, Counted()) + more for name, more in plan.comes_to.items()}
    return has_all(after, wanted)


def _pause(work: Work) -> None:
    if work.is_local:
        run_cron(work.platform.url)
        work.sleep(LOCAL_POLL_SECONDS)
    else:
        work.sleep(POLL_SECONDS)


def _summarised(events: Sequence[Identified], store: UsageStore, now_minute: int) -> frozenset[str]:
    """Find the events whose batches have expired, but not what was made of them."""
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
