"""The ways in which compaction, summaries and windows are broken on purpose."""

from __future__ import annotations

from tests.simulation.mutating import Mutation

SUMMARIES = (
    Mutation(
        "an hour is merged twice",
        "figures",
        "Figures.merge",
        "self._of(identity).merge(aggregate)",
        "self._of(identity).merge(aggregate); self._of(identity).merge(aggregate)",
    ),
    Mutation(
        "merging forgets one side's revenue",
        "aggregates",
        "Aggregate.merge",
        "self.revenue_micros += other.revenue_micros",
        "self.revenue_micros = other.revenue_micros",
    ),
    Mutation(
        "an hour is closed with its first minute",
        "rollups",
        "_Run._settle",
        "if (minute + 1) % MINUTES_PER_HOUR == 0:",
        "if minute % MINUTES_PER_HOUR == 0:",
    ),
    Mutation(
        "a day has one hour too many",
        "periods",
        "Period.end",
        "self.start + _MINUTES[self.level]",
        "self.start + _MINUTES[self.level] + 60 * (self.level == 'day')",
    ),
    Mutation(
        "progress moves past a minute that was not made",
        "rollups",
        "_Run._settle",
        "progress.settled = minute + 1",
        "progress.settled = minute + 2",
    ),
    Mutation(
        "a minute is settled as soon as it is over",
        "rollups",
        "_Run.everything",
        "progress.settled + SETTLE_MINUTES < self.now_minute",
        "progress.settled < self.now_minute",
    ),
    Mutation(
        "the first compaction begins at its own hour",
        "recovery",
        "first_progress",
        'containing("hour", unsettled).start',
        "now_minute // 60 * 60",
    ),
    Mutation(
        "a late batch leaves no mark",
        "usage",
        "UsageLog._write",
        "if now_minute - sealed.minute > limits.LATE_AFTER_MINUTES:",
        "if False:",
    ),
    Mutation(
        "nothing is made again after a late batch",
        "rollups",
        "_Run._late",
        "if seen and minute < self.maker.progress.made:",
        "if False:",
    ),
    Mutation(
        "only the minute is made again after a late batch",
        "rollups",
        "_Run._late",
        "await self._above([minute])",
        "pass",
    ),
    Mutation(
        "a mark whose writer died is worked on for ever",
        "rollups",
        "_Run._late",
        "seen = [name for name, mark in marks if mark.batch_key in names]",
        "seen = [name for name, mark in marks if mark.batch_key in names or len(marks)]; "
        "marks = []; self.done_marks = []",
    ),
    Mutation(
        "a minute is summarised without a batch that cannot be read yet",
        "maker",
        "Maker.make_minute",
        "if unread.missing:",
        "if False:",
    ),
    Mutation(
        "a stale summary is taken for what it should be",
        "maker",
        "Maker._part",
        "if found.fingerprint == mark:",
        "if found:",
    ),
    Mutation(
        "bases forget the batches that were set aside",
        "maker",
        "_Sum.add",
        "self.unreadable += part.unreadable",
        "pass",
    ),
    Mutation(
        "the base of tomorrow's week has a day too many",
        "maker",
        "Maker.make_bases",
        "if part.period.start > week_start:",
        "if part.period.start >= week_start:",
    ),
    Mutation(
        "unsettled minutes that no listing reaches are called complete",
        "windows",
        "read_window",
        "if tail.listed_from > progress.settled:",
        "if False:",
    ),
)
