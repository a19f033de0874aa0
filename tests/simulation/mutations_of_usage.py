"""Mutations of usage in a range: how it is stored, selected and added up."""

from __future__ import annotations

from functools import partial

from tests.simulation.mutating import Mutation

_RANGES = partial(Mutation, module="metering.usage.ranges")
_READER = partial(Mutation, module="snapshots.usage_ranges")

USAGE = (
    Mutation(
        "the usage of late events is not stored",
        "metering.folding",
        "Folder.set_rollup",
        "self._set_usage(day, totals)",
        "self.rollup_of(day) or self._set_usage(day, totals)",
        test="tests.unit.metering.test_usage_days"
        ":test_the_usage_of_a_day_is_that_of_its_roll_up_also_after_late_events",
    ),
    Mutation(
        "the usage of folded days is not stored",
        "metering.folding",
        "Folder.set_rollup",
        "self._set_usage(day, totals)",
        "pass",
    ),
    _RANGES(
        "usage lacks what is not folded",
        function="UsageReader._add_parts",
        old="for part in self.parts:",
        new="for part in ():",
    ),
    _RANGES(
        "usage has open parts of other days",
        function="UsageReader.collect",
        old="if part.name.day in days",
        new="if True",
    ),
    _RANGES(
        "usage by hour has whole days",
        function="UsageReader._add_detail",
        old="if wanted.first <= hour < wanted.end:",
        new="if True:",
    ),
    _RANGES(
        "usage of a tenant is that of all",
        function="UsageRange.has",
        old="self.tenants is None or",
        new="True or",
    ),
    _RANGES(
        "the callers of several days are those of one",
        function="UsageReader.rows",
        old="elif count == 1 and not is_set_wanted:",
        new="elif not is_set_wanted:",
    ),
    _READER(
        "usage of several shards is that of the first",
        function="_rows",
        old="own[0].sums if len(own) == 1 else add_sums(row.sums for row in own)",
        new="own[0].sums",
    ),
    _READER(
        "a shard that does not respond has no usage",
        function="RangeReader.read",
        old="unavailable.append(shard)",
        new="pass",
    ),
)
