"""The ways in which the code is broken on purpose; `python -m` prints what catches each."""

from __future__ import annotations

import sys

from tests.simulation.mutating import Mutation, first_catch

SEEDS = range(500)
"""Within so many seeds each must be caught."""

LOG = (
    Mutation(
        "a retried put gets a new key",
        "usage",
        "UsageLog._write",
        "store.put(key, value",
        "store.put(self._new_key(sealed.minute), value",
    ),
    Mutation(
        "a batch is thrown away at the deadline",
        "usage",
        "UsageLog._write",
        "deadline_ms:\n                return",
        "deadline_ms:\n                return self._forget(key)",
    ),
    Mutation(
        "a failed put is taken for done",
        "usage",
        "UsageLog._write",
        "self.counters.puts_failed += 1",
        "return self._forget(key)",
    ),
    Mutation(
        "the buffer is cleared before the put succeeded",
        "usage",
        "UsageLog._write",
        "sealed = self._sealed[key]",
        "sealed = self._sealed[key]; self._forget(key)",
    ),
    Mutation(
        "a dead leader's claim never ends",
        "usage",
        "UsageLog._claim",
        "batch.claimed_until_ms <= now_ms",
        "batch.claimed_until_ms == 0",
    ),
    Mutation(
        "a dead leader is never replaced",
        "usage",
        "UsageLog._duty_to_lead",
        "now_ms < self._led_until_ms",
        "self._led_until_ms",
    ),
    Mutation(
        "an event just before the minute's end goes into the next partition",
        "usage",
        "UsageLog.append",
        "event.at_ms // keys.MINUTE_MS",
        "(event.at_ms + 500) // keys.MINUTE_MS",
    ),
    Mutation(
        "a batch that crosses a minute is not split",
        "usage",
        "UsageLog.append",
        "entry = self._open.get(minute)",
        "minute = next(iter(self._open), minute); entry = self._open.get(minute)",
    ),
    Mutation(
        "a leader writes only the newest of its minutes",
        "usage",
        "UsageLog.lead",
        "in tuple(self._open):",
        "in tuple(self._open)[-1:]:",
    ),
    Mutation(
        "dropped events are not counted",
        "usage",
        "UsageLog.append",
        "self.counters.events_dropped += 1",
        "pass",
    ),
    Mutation(
        "dropped events are not told to readers",
        "usage",
        "UsageLog.append",
        "self._dropped_unreported += 1",
        "pass",
    ),
    Mutation(
        "dropped events are told with every batch again",
        "usage",
        "UsageLog._seal",
        "self._dropped_unreported = 0",
        "pass",
    ),
    Mutation(
        "a sealed batch still takes events",
        "usage",
        "UsageLog._seal",
        "self._open.pop(minute)",
        "self._open[minute]",
    ),
    Mutation(
        "a sealed batch loses its last event",
        "usage",
        "UsageLog._seal",
        "Batch(events,",
        "Batch(events[: max(1, len(events) - 1)],",
    ),
    Mutation(
        "a writer uses one key twice",
        "usage",
        "UsageLog._new_key",
        "self.writer, self._next_counter",
        "self.writer, self._next_counter % 3",
    ),
    Mutation(
        "all isolates write under one name",
        "usage",
        "UsageLog._new_key",
        "self.writer, self._next_counter",
        "'0', self._next_counter",
    ),
)

READING = (
    Mutation(
        "held batches count in addition to listed ones",
        "rollups",
        "_read",
        "elif name in held:",
        "if name in held:",
    ),
    Mutation(
        "what this isolate holds is not read",
        "rollups",
        "_read",
        "add(minute, held[name])",
        "pass",
    ),
    Mutation(
        "the listing's second page is not read",
        "rollups",
        "list_batches",
        "cursor = page.cursor",
        "cursor = None",
    ),
    Mutation(
        "a batch that does not parse stops the others",
        "rollups",
        "_read",
        "except (KeyMalformed, BatchUnreadable)",
        "except KeyMalformed",
    ),
    Mutation(
        "a batch that does not parse is left out in silence",
        "rollups",
        "_read",
        'listing.unreadable.append(f"{name}: {error}")',
        "del error",
    ),
    Mutation(
        "a batch that is listed and not there is left out in silence",
        "rollups",
        "_read",
        "listing.missing.append(name)",
        "pass",
    ),
    Mutation(
        "APIs are told apart by their slug alone",
        "rollups",
        "Day.add",
        "ApiId(event.api.tenant_id,",
        "ApiId('tenant-0',",
    ),
    Mutation(
        "refused requests count as calls",
        "aggregates",
        "Aggregate.add",
        "if not event.counted:",
        "if False:",
    ),
    Mutation(
        "the week has eight days",
        "analytics",
        "days_of",
        "today + 1)",
        "today + 2)",
    ),
    Mutation(
        "merging forgets one side's callers",
        "aggregates",
        "Aggregate.merge",
        "self.callers[caller] += calls",
        "self.callers[caller] = calls",
    ),
)

MUTATIONS = (*LOG, *READING)


def main() -> int:
    """Print a table: which mutation, after how many seeds, by what."""
    uncaught = 0
    print("| mutation | seeds until caught | caught by |")
    print("|---|---|---|")
    for mutation in MUTATIONS:
        caught = first_catch(mutation, SEEDS)
        if caught is None:
            uncaught += 1
            print(f"| {mutation.name} | not within {len(SEEDS)} | |", flush=True)
            continue
        count, outcome = caught
        print(f"| {mutation.name} | {count} | {(outcome.failure or '')[:110]} |", flush=True)
    return 1 if uncaught else 0


if __name__ == "__main__":
    sys.exit(main())
