"""A shard of the usage log: what it does for recorders, readers and operators.

The rules, without JavaScript: `runtime.usage_shard` calls them in a Durable Object, which holds
responses until everything written before is durable. Arguments and results are texts.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from core import constants, keys
from core.errors import (
    BatchUnreadable,
    BatchVersionUnknown,
    StoreUnavailable,
    SummaryUnreadable,
)
from core.kv_store import get_all
from core.logs import fields
from core.ports import Clock, Json, KeyValueStore, Sql
from metering.batches import IMPORTED, count_events, decode_batch
from metering.folding import TotalsDamaged
from metering.imports.undoing import IMPORT_UNDONE, OPEN
from metering.log import Log
from metering.parts import PartName, changes_since
from metering.rebuilding import LogIncomplete, Rebuilder
from metering.tables import Tables

_REPAIRS_MAX = 5
"""Steps of repairs in one run."""

_SPILL_PAGES_MAX = 10
_SPILLS_PER_PAGE = 20
"""Their values have at most 20 MB together."""

_SPILLS_CHECKED = "spills_checked"
_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class UsageShard:
    """One shard."""

    log: Log
    spills_waiting: int = 0
    _rebuilder: Rebuilder = field(init=False)
    _is_spill_check_due: bool = True
    _next_spill_check_ms: int = field(init=False)
    _spill_cursor: str | None = None
    _spills_found: int = 0
    _retry_at_ms: int = 0
    _retries: int = 0
    _is_maintaining: bool = False
    """Whether a call flushes, folds or rebuilds; never two at the same time."""

    def __post_init__(self) -> None:
        """Wire the parts."""
        self._rebuilder = Rebuilder(self.log.folder)
        checked_ms = self.log.tables.value(_SPILLS_CHECKED, 0)
        self._next_spill_check_ms = checked_ms + constants.SPILL_CHECK_MS

    async def append(self, text: str) -> str:
        """Add batches to the log and to the totals, once.

        Args:
            text: The batches, each a line as `encode_batch` wrote it.

        Returns:
            A line of JSON for each: `position`, as of which the batch is counted, and `new`, how
            many of its imported events were new; or, if it is refused, `error` and `message`.
        """
        self._is_spill_check_due = True
        first, *others = text.split("\n")
        # They wait for the same commit.
        tasks = [asyncio.ensure_future(self._append(one)) for one in others]
        responses = [await self._append(first), *[await task for task in tasks]]
        for response in responses:
            if "error" in response:
                self.log.counters.refused += 1
                _LOGGER.warning("batch_refused", extra=fields(**response))
        return "\n".join(map(json.dumps, responses))

    async def _append(self, text: str) -> dict[str, str | int]:
        try:
            batch = decode_batch(text)
        except BatchUnreadable as error:
            is_version = isinstance(error, BatchVersionUnknown)
            code = "batch_version_unknown" if is_version else "batch_unreadable"
            return {"error": code, "message": str(error)}
        if batch.writer == IMPORTED and self.log.folder.late_apis() > 2 * constants.LATE_APIS_MAX:
            raise StoreUnavailable("the days that were imported are being folded")
        new = 0
        if self.log.has(batch):
            self.log.counters.repeated += 1
        else:
            new = await self.log.append(text, batch)
        if batch.source and batch.source in self.log.imports.undone:
            return {"error": IMPORT_UNDONE, "message": f"the import {batch.source} was undone"}
        return {"position": self.log.position, "new": new}

    async def undo(self, text: str) -> str:
        """Return what can be undone of an import, and undo it.

        Args:
            text: JSON: `import`, its name; `execute`, false to change nothing.

        Returns:
            JSON: `state`, see `Imports`; `events`, those of an import that was open; `untilMs`,
            when an open import will be folded.
        """
        request = json.loads(text)
        name, imports = request["import"], self.log.imports
        count = imports.count(name)
        if request["execute"] and imports.state(name) == OPEN:
            self.log.undo(name)
        until_ms = self.log.folder.undo_until_ms(name)
        return json.dumps({"state": imports.state(name), "events": count, "untilMs": until_ms})

    async def read(self, text: str) -> str:
        """Return what a reader lacks of the totals.

        Args:
            text: JSON: `position`, as of which the reader has its parts, and `parts`, their names.

        Returns:
            JSON: `position`, `now` (the shard's time), `complete` (false: read again for the
            rest), `parts` (each with day, number, header, and rows of APIs that changed),
            `manifest` (where the bases and roll-ups are).
        """
        if self.log.folder.lost:
            raise SummaryUnreadable("the totals are being added up again from the log")
        self._is_spill_check_due = True
        request = json.loads(text)
        known = {PartName(*name): None for name in request["parts"]}
        parts = self.log.folder.all_parts()
        changes = changes_since(parts, request["position"], known, self.log.position)
        rest = {
            "position": changes.position,
            "complete": changes.is_all,
            "now": self.log.clock.now_ms(),
            "manifest": self.log.folder.document(self.log.clock.now_ms()),
        }
        return f'{json.dumps(rest)[:-1]},"parts":[{",".join(changes.parts)}]}}'

    async def events(self, text: str) -> str:
        """Return the newest commits that are not only in KV, and the segments before them.

        Args:
            text: JSON: `before`, a position; only commits up to it. `limit`, the number of events
                that the reader needs.

        Returns:
            JSON: `commits` (position, time and batches, newest first), and `segments` (first and
            last position and number of events), as many as the reader needs. `undone` has the
            imports whose events are not to be shown.
        """
        request = json.loads(text)
        before, missing = min(request["before"], self.log.position), request["limit"]
        commits: list[Json] = []
        for commit in self.log.tables.commits(0, before, newest_first=True):
            if missing <= 0:
                break
            before = commit.position - 1
            count = sum(map(count_events, json.loads(commit.batches)))
            if count:
                commits.append(list(commit))
                missing -= count
        segments: list[Json] = []
        while missing > 0 and before > 0:
            row = self.log.tables.segment_before(before)
            if row is None:
                break
            segments.append([row.first, row.last, row.events])
            # The reader already has the other events of a segment that it needs in part.
            missing -= row.events if row.last <= before else 0
            before = row.first - 1
        undone = sorted(self.log.imports.undone)
        return json.dumps({"commits": commits, "segments": segments, "undone": undone})

    async def usage(self, text: str) -> str:
        """Return usage in a range.

        Args:
            text: JSON: `wanted`, as of `UsageRange.encode`; `sets`, whether callers are needed as
                sets.

        Returns:
            JSON, see `read_usage`.
        """
        # Most isolates have no shard, so these are loaded on first use.
        from metering.usage.ranges import UsageRange  # noqa: PLC0415
        from metering.usage.reading import read_usage  # noqa: PLC0415

        if self.log.folder.lost:
            raise SummaryUnreadable("the totals are being added up again from the log")
        self._is_spill_check_due = True
        request = json.loads(text)
        wanted = UsageRange.decode(request["wanted"])
        found = await read_usage(self.log, wanted, is_set_wanted=request["sets"])
        return json.dumps(found, separators=(",", ":"))

    async def settlements(self, text: str) -> str:
        """Return settlement events, the newest claim first.

        Args:
            text: JSON: `before` (time and payment id), `since`, `limit` and, if limited, `tenants`
                and `slug`, as of `Tables.settlements`.

        Returns:
            JSON: an array of events, as `settlement_fields` returned them.
        """
        request = json.loads(text)
        at_ms, payment_id = request["before"]
        limits = [request.get(name) for name in ("since", "limit", "tenants", "slug")]
        rows = self.log.tables.settlements((at_ms, payment_id), *limits)
        return f"[{','.join(event for _, _, event in rows)}]"

    async def health(self, _: str) -> str:
        """Return, as JSON, how far the shard is and what waits."""
        self._is_spill_check_due = True
        now_ms = self.log.clock.now_ms()
        since = self.log.unflushed_since_ms
        return json.dumps(
            {
                "shard": self.log.number,
                "acknowledged": self.log.position,
                "flushed": self.log.flushed,
                "checkpointed": self.log.checkpointed,
                "foldedUntilDay": self.log.folder.manifest.day,
                "openParts": [list(part.name) for part in self.log.folder.all_parts()],
                "oldestUnflushedSeconds": 0 if since is None else (now_ms - since) // 1000,
                "spillsWaiting": self.spills_waiting,
                "writers": len(self.log.writers),
                "gaps": self.log.writers.gaps(),
                "dropped": sum(part.totals.dropped for part in self.log.folder.all_parts()),
                "damaged": self.log.folder.manifest.damaged,
                "sinceStart": {
                    "commits": self.log.counters.commits,
                    "batches": self.log.counters.batches,
                    "repeatedBatches": self.log.counters.repeated,
                    "refusedBatches": self.log.counters.refused,
                    "segments": self.log.counters.segments,
                    "putsFailed": self.log.counters.puts_failed,
                },
            }
        )

    async def rebuild(self, text: str) -> str:
        """Go on with rebuilding a day from the log.

        Args:
            text: JSON: `day`, a UTC day.

        Returns:
            JSON: `complete` (false: call again), `segments` (how many were read), `changed`
            (whether the stored totals were wrong and are replaced), `reason` (why the day cannot
            be rebuilt, else null).
        """
        day = json.loads(text)["day"]
        reason, is_complete = None, False
        while self._is_maintaining:
            await self.log.clock.sleep_ms(constants.COMMIT_DELAY_MS)
        # An object's call runs to its end even if its caller disconnects.
        self._is_maintaining = True
        try:
            if await self._fold():
                await self.log.flush()
                is_complete = await self._rebuilder.step(day, self.log.flushed)
        except LogIncomplete as error:
            reason = str(error)
        except TotalsDamaged as error:
            await self._repair(error)
        finally:
            self._is_maintaining = False
        return json.dumps(
            {
                "complete": reason is not None or is_complete,
                "segments": self._rebuilder.segments,
                "changed": self._rebuilder.changed if is_complete else None,
                "reason": reason,
            }
        )

    def due_ms(self) -> int | None:
        """Return when `run` has something to do; None if nothing is planned."""
        due = [self.log.due_ms(), self.log.folder.due_ms()]
        if self._is_spill_check_due:
            due.append(self._next_spill_check_ms)
        planned = [at_ms for at_ms in due if at_ms is not None]
        if not planned:
            return None
        # The clock may have been set back since the pause began.
        pause_ms = min(self._retry_at_ms, self.log.clock.now_ms() + constants.RETRY_MS_MAX)
        return max(pause_ms, min(planned))

    async def run(self) -> None:
        """Do what is due, each independently of the others, one call at a time.

        A failure of KV is tried again later, with growing pauses.
        """
        if self._is_maintaining:
            self._pause(constants.RETRY_MS_MIN)
            return
        self._is_maintaining = True
        # An append during a flush must not make the next one due earlier. If anything else
        # fails than KV, the object may restart, but never at once again.
        self._pause(constants.FLUSH_MS)
        try:
            self.log.checkpoint_if_due()
            failures = [
                cause
                for step in (self.log.flush, self._drain_spills, self._fold)
                if (cause := await self._failure_of(step))
            ]
        finally:
            self._is_maintaining = False
        if failures:
            self.log.counters.puts_failed += 1
            self._pause(min(constants.RETRY_MS_MIN << self._retries, constants.RETRY_MS_MAX))
            self._retries = min(self._retries + 1, 10)
            _LOGGER.warning("shard_store_unavailable", extra=fields(cause=failures[0]))
        else:
            self._retries = self._retry_at_ms = 0

    async def _failure_of(self, step: Callable[[], Awaitable[object]]) -> str:
        try:
            await step()
        except StoreUnavailable as error:
            return str(error)
        return ""

    def _pause(self, duration_ms: int) -> None:
        self._retry_at_ms = self.log.clock.now_ms() + duration_ms

    async def _fold(self) -> bool:
        """Fold what is due, and repair totals that a fold needs; return whether that is done."""
        folder, flushed = self.log.folder, self.log.flushed
        for _ in range(_REPAIRS_MAX):
            try:
                if folder.lost:
                    await self._rebuilder.restore_part(flushed)
                elif folder.manifest.are_bases_wrong:
                    await self._rebuilder.rebuild_bases()
                else:
                    await folder.run()
                    return True
            except TotalsDamaged as error:
                await self._repair(error)
        return False

    async def _repair(self, damage: TotalsDamaged) -> None:
        _LOGGER.error("totals_damaged", extra=fields(key=damage.key, cause=str(damage)))
        try:
            await self._rebuilder.repair(damage, self.log.flushed)
        except TotalsDamaged as error:
            # A base is added up from roll-ups, and one of these is damaged, too.
            await self._repair(error)

    async def _drain_spills(self) -> None:
        """Append the batches that recorders wrote to KV because this shard did not respond."""
        now_ms = self.log.clock.now_ms()
        if not self._is_spill_check_due or now_ms < self._next_spill_check_ms:
            return
        self._is_spill_check_due = False
        store = self.log.store
        for _ in range(_SPILL_PAGES_MAX):
            if self._spill_cursor is None:
                self._spills_found = 0
            # If KV fails, the next check starts again with the first page.
            cursor, self._spill_cursor = self._spill_cursor, None
            self._is_spill_check_due = True
            page = await store.list_names(keys.spills(self.log.number), cursor, _SPILLS_PER_PAGE)
            await self._drain(await get_all(store, page.names))
            self._spill_cursor = page.cursor
            if page.cursor is None:
                self.spills_waiting = self._spills_found
                self._is_spill_check_due = self.spills_waiting > 0
                self._next_spill_check_ms = now_ms + constants.SPILL_CHECK_MS
                self.log.tables.set_value(_SPILLS_CHECKED, now_ms)
                return

    async def _drain(self, values: Mapping[str, str | None]) -> None:
        """Append batches; delete from KV those that are acknowledged."""
        # A listing may show a key that is deleted already, or whose value is not visible yet.
        found = {name: text for name, text in values.items() if text is not None}
        responses = await asyncio.gather(*map(self._append, found.values()))
        for name, response in zip(found, responses, strict=True):
            if "error" not in response:
                await self.log.store.delete(name)
        self._spills_found += len(values) - sum("error" not in one for one in responses)


def shard_of(sql: Sql, number: int, store: KeyValueStore, clock: Clock) -> UsageShard:
    """Start shard `number` on its database."""
    return UsageShard(Log(number, Tables(sql), store, clock))
