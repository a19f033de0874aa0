"""Mutations of the reading of windows and pages of events."""

from __future__ import annotations

from functools import partial

from tests.simulation.mutating import Mutation

_PARTS = partial(Mutation, module="snapshots.window_parts")
_TOTALS = partial(Mutation, module="snapshots.window_totals")
_READER = partial(Mutation, module="snapshots.shard_reader")
_RENDER = partial(Mutation, module="snapshots.render")
_SHARING = partial(Mutation, module="snapshots.sharing")
_PAGES = partial(Mutation, module="api.event_pages")
_ETAG = partial(Mutation, module="snapshots.serialization", function="etag_of")

READING = (
    _PARTS(
        "the wrong base is used at midnight",
        function="_base_of",
        old="manifest.week.get(today)",
        new="manifest.week.get(manifest.day)",
    ),
    _PARTS(
        "days of the base are added again",
        function="parts_of",
        old="if day in days and day not in base_days",
        new="if day in days",
    ),
    _PARTS(
        "roll-ups that the base lacks are ignored",
        function="parts_of",
        old="if days is not None:",
        new="if False:",
    ),
    _PARTS(
        "the week has eight days",
        function="days_of",
        old="today - _WEEK_DAYS + 1",
        new="today - _WEEK_DAYS",
    ),
    _PARTS(
        "today has all open parts",
        function="parts_of",
        old="if days is None or name.day in days:",
        new="if True:",
    ),
    _PARTS(
        "the hours of late events are not added to those of their day",
        function="parts_of",
        old="if rollup is not None and name.day in base_days:",
        new="if False:",
    ),
    _TOTALS(
        "what was shown last is shown again",
        function="WindowTotals._update",
        old="if part is known:\n            continue\n        self._shown = None",
        new="if part is known:\n            continue",
    ),
    _TOTALS(
        "an API that was read before is not read again",
        function="WindowTotals._update",
        old="if known.apis.get(api_id) is not aggregate:",
        new="if api_id not in known.apis:",
    ),
    _TOTALS(
        "totals that are replaced are kept",
        function="WindowTotals.update_in_steps",
        old="if not is_same or closed != self._closed:",
        new="if self._trend is None:",
    ),
    _TOTALS(
        "the callers of open parts are not counted",
        function="WindowTotals._rebuild",
        old="self._callers.merge(part.header.callers)",
        new="pass",
    ),
    _TOTALS(
        "dropped events of folded days are not shown",
        function="WindowTotals._rank",
        old="for totals in (self._fixed, *headers))",
        new="for totals in headers)",
    ),
    _READER(
        "a part that is folded is kept",
        function="ShardReader._read_changes",
        old="ShardState(position, as_of_ms, number, manifest, parts)",
        new="ShardState(position, as_of_ms, number, manifest, {**state.parts, **parts})",
    ),
    _READER(
        "a reader asks for changes after a later position",
        function="ShardReader._read_changes",
        old='"position": state.position,',
        new='"position": state.position + 1,',
    ),
    _READER(
        "a reader stops in the middle of a response",
        function="ShardReader._read_changes",
        old="if is_complete:",
        new="if True:",
    ),
    _READER(
        "a shard that does not respond is taken for read",
        function="ShardReader.read",
        old="await self._read_manifest()\n"
        "            return self.state is not None and self.state.read >= first",
        new="await self._read_manifest()\n            return True",
    ),
    _READER(
        "new rows of a part replace all rows",
        function="_updated",
        old="{**known.apis, **apis}",
        new="apis",
    ),
    _SHARING(
        "a new reader is taken for the one before",
        function="SharingShard._response",
        old="revision if name == self._name else 0",
        new="revision",
        test="tests.unit.test_analytics:test_a_restarted_object_sends_everything_again",
    ),
    _SHARING(
        "a row that has changed is not sent",
        function="_revision",
        old="revision if fields is row.unranked else sent.revision + 1",
        new="revision or sent.revision + 1",
        test="tests.unit.test_analytics:test_every_isolate_shows_the_sum_of_all_events",
    ),
    _SHARING(
        "a row keeps its rank",
        function="_updated",
        old="row if same else RankedRow(rank, row.unranked, row.fields_json)",
        new="row",
        test="tests.unit.test_analytics:test_every_isolate_shows_the_sum_of_all_events",
    ),
    _RENDER(
        "complete is always false",
        function="snapshot",
        old='"complete": not (shown.dropped or freshness.unavailable or freshness.damaged)',
        new='"complete": False',
    ),
    _RENDER(
        "complete is always true",
        function="snapshot",
        old='"complete": not (shown.dropped or freshness.unavailable or freshness.damaged)',
        new='"complete": True',
    ),
    _RENDER(
        "dropped events are not shown",
        function="snapshot",
        old='"droppedEvents": shown.dropped',
        new='"droppedEvents": 0',
    ),
    _PAGES(
        "a page begins with events of the last one",
        function="_Tail._add",
        old="end = min(self.place.event, len(events)) if is_begun else len(events)",
        new="end = len(events)",
    ),
    _PAGES(
        "a page has events twice that are in a segment and in the shard",
        function="_Tail._add_segments",
        old=" if one.position <= before",
        new="",
    ),
    _PAGES(
        "pages end with what the shard has",
        function="_Tail.load",
        old="before <= 0 or not (commits or firsts)",
        new="True",
    ),
    _ETAG(
        "an ETag ignores rows",
        old='digest.update(",".join(rows_json(snapshot["allApis"])).encode())',
        new="pass",
        test="tests.unit.snapshots.test_serialization:test_a_change_of_a_row_changes_the_tag",
    ),
    _ETAG(
        "an ETag ignores the series",
        old='"generatedAt": None,',
        new='"generatedAt": None, "series": None,',
        test="tests.unit.snapshots.test_serialization:test_a_change_of_the_series_changes_the_tag",
    ),
    _ETAG(
        "an ETag ignores directories",
        old='"generatedAt": None,',
        new='"generatedAt": None, "directories": None,',
        test="tests.unit.snapshots.test_serialization:test_a_change_of_a_directory_changes_the_tag",
    ),
    Mutation(
        "yesterday's cached response is served today",
        "api.explore.cache",
        "ResponseCache._entry_within",
        "entry if entry.made_ms // DAY_MS == now_ms // DAY_MS else None",
        "entry",
        test="tests.unit.api.explore.test_cache:test_yesterdays_entry_is_not_used_today",
    ),
    Mutation(
        "the busiest caller is computed from fewer rows than stated",
        "metering.sketches.heavy_hitters",
        "Cells.busiest",
        "min(calls_a, calls_b, cells[sum_ab], cells[sum_axb])",
        "min(calls_a, calls_b)",
        test="tests.unit.metering.sketches.test_heavy_hitters"
        ":test_every_row_of_cells_bounds_the_busiest_caller",
    ),
)
