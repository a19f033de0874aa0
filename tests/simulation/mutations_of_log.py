"""Mutations of the recorder and of the log: what is sent, committed, flushed and recovered."""

from __future__ import annotations

from functools import partial

from tests.simulation.mutating import Mutation

_USAGE = partial(Mutation, module="usage")
_LOG = partial(Mutation, module="metering.log")
_SHARD = partial(Mutation, module="metering.shard")
_IMPORTS = partial(Mutation, module="metering.imports.undoing")

LOG = (
    _USAGE(
        "events are sent again in another batch",
        function="UsageRecorder._next_batch",
        old="del queue.waiting[: len(events)]",
        new="pass",
    ),
    _USAGE(
        "every batch has the same name",
        function="UsageRecorder._next_batch",
        old="queue.sequence += 1",
        new="queue.sequence = 1",
    ),
    _USAGE(
        "dropped events are not reported",
        function="UsageRecorder._next_batch",
        old="queue.sequence, self._dropped, events",
        new="queue.sequence, 0, events",
    ),
    _USAGE(
        "dropped events are reported by every batch",
        function="UsageRecorder._next_batch",
        old="self._dropped = 0",
        new="pass",
    ),
    _USAGE(
        "a batch that fails is replaced by the next one",
        function="UsageRecorder._send_queue",
        old="if queue.sending is None:",
        new="if queue.sending is None or queue.waiting:",
    ),
    _USAGE(
        "a spilled batch is not written",
        function="UsageRecorder._send",
        old="await store.put(key, sending.text, {}, lifetime_ms // 1000)",
        new="pass",
    ),
    _USAGE(
        "a refused batch is given up",
        function="UsageRecorder._send",
        old="if not is_refused and waited_ms < constants.SPILL_AFTER_MS:",
        new="if is_refused:\n"
        "            self._queues[shard].sending = None\n"
        "            return True\n"
        "        if waited_ms < constants.SPILL_AFTER_MS:",
    ),
    _LOG(
        "a batch that arrives again is committed again",
        function="Log.has",
        old="return bool(batch.sequence) and self.writers.has(batch.writer, batch.sequence)",
        new="return False",
    ),
    _LOG(
        "a payment that arrives again is committed again",
        function="Log.has",
        old="return self.tables.has_settlement(batch.settlement.payment_id)",
        new="return False",
    ),
    _IMPORTS(
        "an imported event that arrives again is committed again",
        function="Imports.without_known",
        old="event.request_id not in known and ",
        new="",
    ),
    _IMPORTS(
        "an event that is imported twice at once is committed twice",
        function="Imports.without_known",
        old=" and event.request_id not in others:",
        new=":",
    ),
    _IMPORTS(
        "an import that was undone still counts",
        function="Imports.add",
        old="del self.parts[key]",
        new="pass",
    ),
    _IMPORTS(
        "events that were undone cannot be imported again",
        function="Imports.add",
        old="self.tables.undo_import(batch.undoes)",
        new="pass",
    ),
    _IMPORTS(
        "after a restart, an import that was undone counts again",
        function="Imports.recover",
        old="{name for name, state in self._states.items() if state == UNDONE}",
        new="set()",
    ),
    _IMPORTS(
        "an import that is folded can be undone",
        function="Imports.close",
        old="self._set(names, FOLDED)",
        new="pass",
    ),
    _LOG(
        "events of an import that was undone are committed",
        function="Log._accepted",
        old="if batch.source in self.imports.undone:",
        new="if False:",
    ),
    _LOG(
        "a batch is acknowledged before it is committed",
        function="Log.append",
        old="await waiting.done",
        new="pass",
    ),
    _LOG(
        "a commit is not added to the totals",
        function="Log._commit",
        old="self._add(commit, [bounded(batch, commit.at_ms) for _, batch in accepted])",
        new="self.position = commit.position",
    ),
    _LOG(
        "the names of batches are not noted",
        function="Log._add_name",
        old="self.writers.add(batch.writer, batch.sequence, at_ms)",
        new="pass",
    ),
    _LOG(
        "dropped events are not counted",
        function="Log._add",
        old="self._part(commit, commit.at_ms // DAY_MS).totals.dropped += batch.dropped",
        new="pass",
    ),
    Mutation(
        "a gap in the sequences of a writer is ignored",
        "metering.writers",
        "_Arrived.add",
        "first = last = sequence",
        "first, last = 1, sequence",
    ),
    _LOG(
        "the position of a checkpoint is not stored",
        function="Log.checkpoint",
        old='self.tables.set_value("checkpointed", self.position)',
        new="pass",
    ),
    _LOG(
        "a checkpoint lacks the part that is being folded",
        function="Log.checkpoint",
        old="for part in self.folder.all_parts()",
        new="for part in self.parts.values()",
    ),
    _LOG(
        "a checkpoint lacks the writers",
        function="Log.checkpoint",
        old="self.writers.encode()",
        new="Writers().encode()",
    ),
    _LOG(
        "writers are forgotten at the next checkpoint",
        function="Log.checkpoint",
        old="self.clock.now_ms() - constants.WRITER_DAYS * DAY_MS",
        new="self.clock.now_ms() + 1",
    ),
    _LOG(
        "commits are deleted before they are in a checkpoint",
        function="Log._delete_commits",
        old="min(self.flushed, self.checkpointed)",
        new="max(self.flushed, self.checkpointed)",
    ),
    _LOG(
        "recovery ignores commits that are flushed",
        function="Log._recover",
        old="for commit in self.tables.commits(self.checkpointed):",
        new="for commit in self.tables.commits(max(self.flushed, self.checkpointed)):",
    ),
    _LOG(
        "a segment that is written again has more commits",
        function="Log._next_segment",
        old='fixed = self.tables.value("segment", 0)',
        new="fixed = 0",
    ),
    _LOG(
        "the next segment begins in the last one",
        function="Log._flush_segment",
        old="self.flushed = last",
        new="self.flushed = first",
    ),
    _LOG(
        "a segment is noted for one of its days only",
        function="Log._flush_segment",
        old="set().union(*(days for _, days in contents))",
        new="set(contents[-1][1])",
    ),
    _SHARD(
        "spilled batches are not looked for",
        function="UsageShard._drain_spills",
        old="if not self._is_spill_check_due or",
        new="if True or",
    ),
    _SHARD(
        "a spilled batch is deleted and not appended",
        function="UsageShard._drain",
        old="responses = await asyncio.gather(*map(self._append, found.values()))",
        new="responses = [{} for _ in found]",
    ),
    Mutation(
        "a fast clock counts events in the future",
        "metering.segments",
        "bounded",
        "event if oldest_ms <= event.at_ms <= at_ms else event._replace(at_ms=at_ms)",
        "event",
    ),
)
