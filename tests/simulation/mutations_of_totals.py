"""Mutations of the totals: parts, folds, bases and rebuilds."""

from __future__ import annotations

from functools import partial

from tests.simulation.mutating import Mutation

_FOLD = partial(Mutation, module="metering.folding")
_REBUILD = partial(Mutation, module="metering.rebuilding")

TOTALS = (
    _FOLD(
        "late events replace the roll-up of their day",
        function="Folder._fold",
        old="rollup = await self.load(self.rollup_of(day))",
        new="rollup = Totals()",
    ),
    _FOLD(
        "the guard against late data is removed: a fold of an old day moves the bases back",
        function="Folder._fold",
        old="end = max(manifest.day, day + 1)",
        new="end = day + 1",
    ),
    _FOLD(
        "a fold does not add the day to the base of everything",
        function="Folder._fold",
        old="await self.merge(overall, closed(late, rollup, end))",
        new="pass",
    ),
    _FOLD(
        "a part is folded again and again",
        function="Folder._fold",
        old="self.set_aside.clear()",
        new="pass",
    ),
    _FOLD(
        "a part that is being folded takes events",
        function="Folder._start",
        old="self.parts.pop(day, None)",
        new="pass",
    ),
    _FOLD(
        "a fold leaves out the parts of imports",
        function="Folder._fold",
        old="for part in self.set_aside:",
        new="for part in self.set_aside[:1]:",
    ),
    _FOLD(
        "the busiest hour of late events is that of these events only",
        function="closed",
        old="aggregate.busiest_closed_hour = rollup.apis[api_id].busiest_hour_calls()",
        new="pass",
    ),
    _FOLD(
        "keys of totals are used again",
        function="Folder.next_version",
        old="self.manifest.version += 1",
        new="self.manifest.version = 1",
    ),
    _FOLD(
        "totals that are still in use are deleted",
        function="Folder._drop",
        old="if old is not None and old not in kept:",
        new="if old is not None:",
    ),
    _FOLD(
        "a window starts inside a coarser period: the base of the week has seven days",
        function="Folder._put_week",
        old="range(used_on - _WEEK_DAYS, min(used_on, end))",
        new="range(used_on - _WEEK_DAYS - 1, min(used_on, end))",
    ),
    _FOLD(
        "the bases of the week are not built for every day",
        function="Folder.put_bases",
        old="if not new or max(new) >= end - _WEEK_DAYS:",
        new="if not week:",
    ),
    _FOLD(
        "a base that is built for tomorrow lacks the first fold of today",
        function="Folder._put_week",
        old="if day in new:",
        new="if day in new and used_on > end:\n            pass\n        elif day in new:",
    ),
    Mutation(
        "the parts of a day have the same name",
        "metering.log",
        "Log._part",
        "PartName(day, self.folder.manifest.version)",
        "PartName(day, 0)",
        test="tests.unit.snapshots.test_reading:test_late_events_are_not_added_to_the_part_that_was_folded_between_two_reads",
    ),
    Mutation(
        "an API that has changed once is not sent again",
        "metering.parts",
        "OpenPart.add_all",
        "self.changed[api_id] = position",
        "self.changed.setdefault(api_id, position)",
    ),
    Mutation(
        "a response says that it has all positions although it is cut off",
        "metering.parts",
        "changes_since",
        "reached = pending[index - 1][0]",
        "reached = now",
    ),
    Mutation(
        "a response that is cut off says that it is complete",
        "metering.shard",
        "UsageShard.read",
        '"complete": changes.is_all,',
        '"complete": True,',
    ),
    Mutation(
        "a damaged roll-up is accepted",
        "metering.rollups",
        "decode_rollup",
        "if first is None or _digest(first[_DIGEST_LENGTH:]) != first[:_DIGEST_LENGTH]:",
        "if first is None:",
    ),
    Mutation(
        "a damaged piece of a roll-up is accepted",
        "metering.rollups",
        "decode_rollup",
        "if text is None or _digest(text) != digest:",
        "if text is None:",
        test="tests.unit.metering.test_rollups:test_a_piece_of_other_totals_is_not_combined_with_the_first",
    ),
    Mutation(
        "a damaged segment is accepted",
        "metering.segments",
        "decode_segment",
        "if found != (SEGMENT_VERSION, shard, first, _digest(body)):",
        "if found[:3] != (SEGMENT_VERSION, shard, first):",
        test="tests.unit.metering.test_segments"
        ":test_a_change_of_any_character_of_the_commits_is_detected",
    ),
    Mutation(
        "APIs are identified by their slug alone",
        "metering.totals",
        "Totals.add_all",
        "ApiId(api.tenant_id,",
        "ApiId('tenant-0',",
    ),
    Mutation(
        "refused requests count as calls",
        "metering.aggregate",
        "Aggregate.add",
        "if counted:",
        "if True:",
    ),
    _REBUILD(
        "a rebuild counts late events in the roll-up",
        function="_Day.add",
        old="self.rollup if commit.position <= self.until else self.part(batch.source)",
        new="self.rollup",
    ),
    _REBUILD(
        "a rebuild counts imports that were undone",
        function="_Day.add",
        old="without_undone(batches_of(commit), self.undone)",
        new="batches_of(commit)",
    ),
    _REBUILD(
        "a rebuild ignores what is not flushed",
        function="Rebuilder.step",
        old="found.add(self.folder.tables.commits(flushed))",
        new="pass",
        test="tests.unit.metering.test_rebuilding"
        ":test_events_that_arrive_during_a_rebuild_are_counted_once",
    ),
    _REBUILD(
        "a rebuild reads only some segments",
        function="Rebuilder._add_segments",
        old="return len(firsts) < limit",
        new="return True",
    ),
    _REBUILD(
        "a rebuild takes damaged totals for right",
        function="Rebuilder._is_rollup_wrong",
        old="except TotalsDamaged:\n        return True",
        new="except TotalsDamaged:\n        return False",
    ),
    _REBUILD(
        "damaged bases are not found",
        function="Rebuilder._is_base_damaged",
        old="except TotalsDamaged:\n        return True",
        new="except TotalsDamaged:\n        return False",
        test="tests.unit.metering.test_rebuilding:test_a_rebuild_of_any_day_finds_a_damaged_base",
    ),
    _REBUILD(
        "a rebuilt roll-up is not used",
        function="Rebuilder._replace_rollup",
        old="folder.set_rollup(found.day, stored, found.until, found.rollup)",
        new="pass",
    ),
)
