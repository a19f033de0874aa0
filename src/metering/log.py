"""The log of one shard: commits in SQLite, their totals in memory, segments in `USAGE_KV`.

A commit is a row in SQLite before it changes anything else, and everything else follows from that
row. So a crash loses nothing that was acknowledged: recovery adds the commits that came after the
last checkpoint. Nothing is awaited while the state is between two consistent ones.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from core import constants, keys
from core.calendar import DAY_MS
from core.errors import SummaryUnreadable
from core.logs import fields
from core.ports import Clock, KeyValueStore
from metering.batches import IMPORTED, Batch, encode_batch
from metering.folding import Folder
from metering.imports.undoing import Imports
from metering.parts import OpenPart, PartName, decode_part, encode_part
from metering.segments import (
    Commit,
    Contents,
    batches_of,
    bounded,
    contents_of,
    encode_segment,
)
from metering.settlements import settlement_fields
from metering.tables import SegmentRow, Tables
from metering.writers import Counters, Writers

_COMMIT_LEASE_MS = 1_000
"""A commit that takes longer than this was abandoned; another call makes it."""

_NOTED_COMMITS_MAX = 2_000
"""Commits that wait for KV and whose contents are in memory; those of others are decoded again."""

_SEGMENTS_PER_FLUSH = 20
_WRITERS = "writers"
_PART_PREFIX = "part "
_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class _Waiting:
    """A batch that waits for its commit, as sent and decoded, and the future of its senders.

    `new` is the number of its events that were new.
    """

    text: str
    batch: Batch
    done: asyncio.Future[None]
    new: int = 0


@dataclass(slots=True)
class Log:
    """The log of one shard.

    Attributes:
        number: The shard's number, from 0.
        tables: The object's database.
        store: `USAGE_KV`.
        clock: The object's clock.
        position: The position of the newest commit; 0 if there is none.
        flushed: Segments have all commits up to this position.
        checkpointed: The checkpoint has the totals up to this position.
        parts: The open parts by day, without those of imports and those that are being folded.
        imports: The imports.
        writers: The batches that have arrived.
        unflushed_since_ms: The time of the oldest commit that no segment has.
    """

    number: int
    tables: Tables
    store: KeyValueStore
    clock: Clock
    counters: Counters = field(default_factory=Counters)
    position: int = 0
    flushed: int = 0
    checkpointed: int = 0
    parts: dict[int, OpenPart] = field(default_factory=dict)
    imports: Imports = field(init=False)
    writers: Writers = field(default_factory=Writers)
    folder: Folder = field(init=False)
    unflushed_since_ms: int | None = None
    _next_flush_ms: int | None = None
    _unflushed: dict[int, tuple[int, Collection[int]]] = field(default_factory=dict)
    """By position, the number of events and the UTC days of some commits that no segment has."""
    _unflushed_length: int = 0
    _waiting: dict[tuple[str, int] | int, _Waiting] = field(default_factory=dict)
    _waiting_length: int = 0
    _committing_since_ms: int | None = None
    _uncheckpointed_since_ms: int | None = None
    _uncheckpointed_events: int = 0

    def __post_init__(self) -> None:
        """Recover from what the database has."""
        self.tables.create()
        self.imports = Imports(self.tables)
        self.folder = Folder(
            self.number,
            self.tables,
            self.store,
            self.clock,
            self.parts,
            self.imports,
            self.checkpoint,
            lambda: self.position,
        )
        self._recover()

    def has(self, batch: Batch) -> bool:
        """Tell whether a batch has been committed."""
        if batch.settlement is not None:
            return self.tables.has_settlement(batch.settlement.payment_id)
        return bool(batch.sequence) and self.writers.has(batch.writer, batch.sequence)

    async def append(self, text: str, batch: Batch) -> int:
        """Wait until a commit has the batch; the first call that waits makes the commit.

        Returns the number of its events that were new, if they are imported.
        """
        name = _name_of(batch)
        waiting = self._waiting.get(name)
        if waiting is None:
            done = asyncio.get_running_loop().create_future()
            waiting = self._waiting[name] = _Waiting(text, batch, done)
            self._waiting_length += len(text)
        now_ms, since_ms = self.clock.now_ms(), self._committing_since_ms
        # The clock may have been set back.
        if since_ms is None or not since_ms <= now_ms < since_ms + _COMMIT_LEASE_MS:
            self._committing_since_ms = now_ms
            await self.clock.sleep_ms(constants.COMMIT_DELAY_MS)
            self._committing_since_ms = None
            self._commit_waiting()
        elif self._waiting_length >= constants.COMMIT_LENGTH_MAX:
            self._commit_waiting()
        await waiting.done
        return waiting.new

    async def flush(self) -> None:
        """Write the commits that KV lacks at this moment, in segments.

        If KV has failed for long, the rest is due at once in another call.
        """
        until = self.position
        has_new = self.flushed < until
        for _ in range(_SEGMENTS_PER_FLUSH):
            if self.flushed < until:
                await self._flush_segment(until)
        # An active shard flushes at a fixed interval, because setting an alarm costs a row.
        self._next_flush_ms = self.clock.now_ms() + constants.FLUSH_MS if has_new else None

    def due_ms(self) -> int | None:
        """Return when a flush or a checkpoint is due; None if everything is stored."""
        due = []
        if self._next_flush_ms is not None:
            due.append(self._next_flush_ms)
        if self.unflushed_since_ms is not None:
            is_long = self._unflushed_length >= constants.SEGMENT_LENGTH_MAX
            # The clock may have been set back since.
            since_ms = min(self.unflushed_since_ms, self.clock.now_ms())
            due.append(since_ms + (0 if is_long else constants.FLUSH_MS))
        checkpoint_ms = self._checkpoint_due_ms()
        if checkpoint_ms is not None:
            due.append(checkpoint_ms)
        return min(due, default=None)

    def checkpoint_if_due(self) -> None:
        """Store the totals if many events or much time have passed."""
        due_ms = self._checkpoint_due_ms()
        if due_ms is not None and due_ms <= self.clock.now_ms():
            self.checkpoint()

    def _checkpoint_due_ms(self) -> int | None:
        """Return when a checkpoint is due, which does not change when the object restarts."""
        since_ms = self._uncheckpointed_since_ms
        if since_ms is None:
            return None
        is_long = self._uncheckpointed_events >= constants.CHECKPOINT_EVENTS_MAX
        return since_ms + (0 if is_long else constants.CHECKPOINT_MS)

    def checkpoint(self) -> None:
        """Store the totals in the database, so that recovery starts from here."""
        self.writers.forget(self.clock.now_ms() - constants.WRITER_DAYS * DAY_MS)
        texts = {
            f"{_PART_PREFIX}{part.name.day} {part.name.number}": encode_part(part)
            for part in self.folder.all_parts()
        }
        writers = json.dumps(self.writers.encode(), separators=(",", ":"))
        step = constants.CHECKPOINT_LENGTH_MAX
        texts[_WRITERS] = [writers[at : at + step] for at in range(0, len(writers), step)]
        self.tables.set_checkpoint(texts)
        self.checkpointed = self.position
        self.tables.set_value("checkpointed", self.position)
        self._delete_commits()
        self._uncheckpointed_since_ms, self._uncheckpointed_events = None, 0

    def _commit_waiting(self) -> None:
        """Commit all batches that wait, in rows of limited length."""
        waiting, self._waiting, self._waiting_length = [*self._waiting.values()], {}, 0
        while waiting:
            length, count = len(waiting[0].text), 1
            while count < len(waiting):
                length += len(waiting[count].text)
                if length > constants.COMMIT_LENGTH_MAX:
                    break
                count += 1
            group, waiting = waiting[:count], waiting[count:]
            try:
                self._commit(group)
            except Exception as error:
                for one in (*group, *waiting):
                    if not one.done.done():
                        one.done.set_exception(error)
                        # A call that was canceled does not await its future.
                        one.done.exception()
                raise
            for one in group:
                if not one.done.done():
                    one.done.set_result(None)

    def _commit(self, group: Sequence[_Waiting]) -> None:
        imported: set[str] = set()
        accepted = [new for one in group if (new := self._accepted(one, imported))]
        if not accepted:
            return
        texts = ",".join(text for text, _ in accepted)
        commit = Commit(self.position + 1, self.clock.now_ms(), f"[{texts}]")
        self.tables.add_commit(commit)
        self.counters.commits += 1
        self.counters.batches += len(accepted)
        self._add(commit, [bounded(batch, commit.at_ms) for _, batch in accepted])

    def _accepted(self, waiting: _Waiting, imported: set[str]) -> tuple[str, Batch] | None:
        """Return the part of a batch that is new, encoded and decoded; None if nothing is.

        Args:
            waiting: The batch.
            imported: Ids of the events that this commit imports, to which it adds.
        """
        batch = waiting.batch
        if batch.writer != IMPORTED:
            return waiting.text, batch
        if batch.source in self.imports.undone:
            return None
        batch = self.imports.without_known(batch, imported)
        waiting.new = len(batch.events)
        return (encode_batch(batch), batch) if batch.events else None

    def undo(self, name: str) -> None:
        """Commit that the events of an open import do not count any more."""
        batch = Batch(IMPORTED, 0, 0, (), undoes=name)
        commit = Commit(self.position + 1, self.clock.now_ms(), f"[{encode_batch(batch)}]")
        self.tables.add_commit(commit)
        self.counters.commits += 1
        self._add(commit, [batch])

    def _add(self, commit: Commit, batches: Sequence[Batch]) -> None:
        """Add what follows from a commit; some of it may be in the database already."""
        self.position = commit.position
        contents = contents_of(commit, batches)
        for index, source, own in self.imports.counted(batches):
            for batch in own:
                self._add_name(batch, commit.at_ms)
                if batch.dropped:
                    self._part(commit, commit.at_ms // DAY_MS).totals.dropped += batch.dropped
            found = contents if len(own) == len(batches) else contents_of(commit, own)
            for day, events in found.days.items():
                if events:
                    part = self._part(commit, day, source, index)
                    part.add_all(events, commit.position)
        self._uncheckpointed_events += contents.events
        if self._uncheckpointed_since_ms is None:
            self._uncheckpointed_since_ms = commit.at_ms
        if commit.position > self.flushed:
            self._note_unflushed(commit, contents)

    def _note_unflushed(self, commit: Commit, contents: Contents) -> None:
        if len(self._unflushed) < _NOTED_COMMITS_MAX:
            self._unflushed[commit.position] = contents.events, set(contents.days)
        self._unflushed_length += len(commit.batches)
        if self.unflushed_since_ms is None:
            self.unflushed_since_ms = commit.at_ms

    def _add_name(self, batch: Batch, at_ms: int) -> None:
        """Note by what the batch is recognized if it is sent again."""
        if batch.settlement is not None:
            event = batch.settlement
            text = json.dumps(settlement_fields(event), separators=(",", ":"))
            self.tables.add_settlement(event.payment_id, event.claimed_at_ms, text)
        elif batch.writer == IMPORTED:
            self.imports.add(batch)
        else:
            self.writers.add(batch.writer, batch.sequence, at_ms)

    def _part(self, commit: Commit, day: int, source: str = "", index: int = 0) -> OpenPart:
        """Return the part of a day; a commit opens it if there is none. See `Imports.part`."""
        if source:
            return self.imports.part(commit, day, source, index)
        part = self.parts.get(day)
        if part is None:
            name = PartName(day, self.folder.manifest.version)
            part = self.parts[day] = OpenPart(name, commit.at_ms)
        return part

    async def _flush_segment(self, until: int) -> None:
        commits = self._next_segment(until)
        first, last = commits[0].position, commits[-1].position
        contents = [self._unflushed.get(commit.position) or _noted(commit) for commit in commits]
        events = sum(count for count, _ in contents)
        await self.store.put(
            keys.segment(self.number, first),
            encode_segment(self.number, commits),
            {"last": last, "events": events},
            constants.SEGMENT_DAYS * DAY_MS // 1000,
        )
        row = SegmentRow(first, last, events, self.clock.now_ms())
        self.tables.add_segment(row, set().union(*(days for _, days in contents)))
        self.flushed = last
        self.tables.set_value("flushed", last)
        self._delete_commits()
        self.counters.segments += 1
        for commit in commits:
            self._unflushed.pop(commit.position, None)
            self._unflushed_length -= len(commit.batches)
        oldest = next(self.tables.commits(last), None)
        self.unflushed_since_ms = None if oldest is None else oldest.at_ms

    def _next_segment(self, until: int) -> Sequence[Commit]:
        """Return the commits of the next segment, whose last position is stored first.

        A put may take effect although it fails. So it is repeated with the same value.
        """
        fixed = self.tables.value("segment", 0)
        commits: list[Commit] = []
        length = 0
        for commit in self.tables.commits(self.flushed, fixed if fixed > self.flushed else until):
            length += len(commit.batches)
            if commits and length > constants.SEGMENT_LENGTH_MAX and fixed <= self.flushed:
                break
            commits.append(commit)
        self.tables.set_value("segment", commits[-1].position)
        return commits

    def _delete_commits(self) -> None:
        """Delete the commits that are in a segment and in a checkpoint."""
        self.tables.delete_commits(min(self.flushed, self.checkpointed))

    def _recover(self) -> None:
        """Restore the state from the last checkpoint and the commits after it."""
        self.flushed = self.tables.value("flushed", 0)
        self.position = self.checkpointed = self.tables.value("checkpointed", 0)
        self.folder.recover()
        self.imports.recover()
        for name, texts in self.tables.checkpoint():
            if name == _WRITERS:
                self.writers = Writers.decode(json.loads("".join(texts)))
            else:
                self._recover_part(name, texts)
        # If KV has failed for hours, these are too many to decode at a start.
        waiting = self.tables.commits_length(self.flushed, self.checkpointed)
        self._unflushed_length, self.unflushed_since_ms = waiting
        for commit in self.tables.commits(self.checkpointed):
            self._add(commit, batches_of(commit))

    def _recover_part(self, name: str, texts: Sequence[str]) -> None:
        try:
            self.folder.adopt(decode_part(texts))
        except SummaryUnreadable as error:
            # It is damaged, or another version of the software wrote it; the log has its events.
            _LOGGER.error("part_lost", extra=fields(part=name, cause=str(error)))  # noqa: TRY400 (no traceback: the fault is in the data)
            day, number = name.removeprefix(_PART_PREFIX).split(" ")
            self.folder.lose(PartName(int(day), int(number)))


def _noted(commit: Commit) -> tuple[int, Collection[int]]:
    contents = contents_of(commit, batches_of(commit))
    return contents.events, contents.days.keys()


def _name_of(batch: Batch) -> tuple[str, int] | int:
    """Return what identifies a batch among those that wait."""
    if batch.settlement is not None:
        return batch.settlement.payment_id, 0
    return (batch.writer, batch.sequence) if batch.sequence else id(batch)
