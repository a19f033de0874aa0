"""Figures for monitoring: what this isolate counted, and what the stores say of everything.

Owns which metrics there are (`docs/observability.md` lists them). A scrape of an
edge Worker meets some isolate, a different one the next time; so names tell the
two kinds apart. `clawr_isolate_…` are an isolate's own and carry its name; the others are
read from the log, from progress and from the ledger, and are the same wherever they are
asked. No label has values that callers or tenants choose. Whatever cannot be read is
left out, and `clawr_source_up` says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analytics import Analytics
from api.openmetrics import CONTENT_TYPE, Family, Kind, exposition
from core import keys
from core.calendar import DAY_MS, MINUTE_MS
from core.errors import DatabaseUnavailable, StoreUnavailable
from core.ports import Background, Clock, Environment, Json, KeyValueStore, Response
from core.responses import text_answer
from core.telemetry import RequestCounters
from metering.consistency import Overview, oldest_uncompacted
from metering.events import BATCH_VERSION
from metering.settlements import SETTLEMENT_VERSION
from metering.state import PROGRESS_VERSION, decode_progress
from metering.summary import SUMMARY_VERSION
from payments.ledger import Ledger
from usage import UsageRecorder


@dataclass(slots=True)
class Metrics:
    """Writes the metrics of one deployment, from one isolate."""

    environment: Environment
    clock: Clock
    log: UsageRecorder
    reader: Analytics
    tally: RequestCounters

    async def text(self, background: Background) -> str:
        """Write everything as OpenMetrics text, in about ten KV operations and one of D1."""
        families = [_build(), *self._isolate()]
        sources: dict[str, bool] = {}
        store, database = self.environment.usage_store, self.environment.control_database
        if store is not None:
            try:
                families += [*await self._today(store, background), *await self._backlog(store)]
                sources["USAGE_KV"] = True
            except StoreUnavailable:
                sources["USAGE_KV"] = False
        if database is not None:
            try:
                families += await self._payments(Ledger(database, self.clock))
                sources["CONTROL_DB"] = True
            except DatabaseUnavailable:
                sources["CONTROL_DB"] = False
        up = Family("clawr_source_up", Kind.GAUGE, "Whether this scrape could read a binding.")
        for source, is_up in sources.items():
            up.add(int(is_up), {"source": source})
        return exposition([*families, up])

    def _isolate(self) -> Sequence[Family]:
        """Count what this isolate did since it began."""
        own = {"isolate": self.log.writer}
        began = self.tally.began_ms / 1000

        def counter(name: str, meaning: str) -> Family:
            return Family(f"clawr_isolate_{name}", Kind.COUNTER, meaning, created_seconds=began)

        def histogram(name: str, meaning: str) -> Family:
            full = f"clawr_isolate_{name}_seconds"
            return Family(full, Kind.HISTOGRAM, meaning, "seconds", began)

        requests = counter("requests", "Requests answered, by surface, outcome and status class.")
        for (surface, outcome, status), count in sorted(self.tally.answered.items()):
            labels = {"surface": surface, "outcome": outcome, "status": f"{status}xx"}
            requests.add(count, {**own, **labels})
        durations = histogram("request_duration", "From arrival until the response's headers.")
        for surface, found in self.tally.durations.items():
            durations.add_histogram(found, {**own, "surface": surface})
        operations = counter("kv_operations", "Operations on KV; failed ones are tried again.")
        for (binding, operation, did), count in sorted(self.environment.kv_tally.items()):
            labels = {"binding": binding, "operation": operation}
            operations.add(count, {**own, **labels, "result": "ok" if did else "failed"})
        counters, report = self.log.counters, self.log.report()
        return [
            Family(
                "clawr_isolate_start_time_seconds",
                Kind.GAUGE,
                "When this isolate began, in seconds since 1970 UTC.",
                "seconds",
            ).add(began, own),
            requests,
            durations,
            counter("events_appended", "Usage events taken.").add(counters.events_appended, own),
            counter("events_committed", "Usage events written.").add(
                counters.events_committed, own
            ),
            counter("events_dropped", "Usage events lost because KV refused writes too long.").add(
                counters.events_dropped, own
            ),
            counter("batches_committed", "Batches written.").add(counters.batches_committed, own),
            counter("puts_failed", "Writes of batches that KV refused; they are repeated.").add(
                counters.puts_failed, own
            ),
            Family("clawr_isolate_events_held", Kind.GAUGE, "Usage events in memory alone.").add(
                report["eventsHeld"], own
            ),
            histogram(
                "commit_lag", "From a batch's first event until the batch was written."
            ).add_histogram(counters.commit_lags, own),
            operations,
        ]

    async def _today(self, store: KeyValueStore, background: Background) -> Sequence[Family]:
        """Show what the snapshot of `today` shows; it starts at zero at midnight UTC."""
        snapshot = (await self.reader.snapshots(store, ("today",), 1, background))["today"]
        hero, freshness = snapshot["heroStats"], snapshot["freshness"]
        return [
            _gauge("today_calls", "Calls since midnight UTC.", hero["calls"]),
            _gauge(
                "today_call_errors",
                "Those with status 500 and up, 408 or 429.",
                sum(hour["errors"] for hour in snapshot["series"]),
            ),
            _gauge(
                "today_revenue_usd",
                "What was settled since midnight UTC.",
                hero["revenueMicros"] / 1_000_000,
                "usd",
            ),
            _gauge("today_callers", "Distinct callers since midnight UTC.", hero["activeAgents"]),
            _gauge("today_apis", "APIs called since midnight UTC.", hero["publishedApis"]),
            _gauge("today_events_dropped", "Events missing today.", freshness["droppedEvents"]),
            _gauge(
                "snapshot_lag_seconds",
                "How long ago everything was counted up to.",
                freshness["lagSeconds"],
                "seconds",
            ),
            _gauge("snapshot_complete", "1 when nothing was left out.", int(freshness["complete"])),
        ]

    async def _backlog(self, store: KeyValueStore) -> Sequence[Family]:
        """Say what compaction has before it."""
        now_ms = self.clock.now_ms()
        newest = await store.list_page(keys.USAGE_PREFIX, None)
        late = await store.list_page(keys.LATE_PREFIX, None)
        found = await store.get_many([keys.PROGRESS, keys.DEMO])
        progress = decode_progress(found[keys.PROGRESS])
        overview = Overview(progress, newest, late, now_ms // MINUTE_MS)
        oldest = await oldest_uncompacted(store, overview)
        waiting = 0 if oldest is None else overview.now_minute - oldest
        families = [
            _gauge(
                "uncompacted_minutes",
                "Age in minutes of the oldest minute with events and no summary; 0 for none.",
                waiting,
                "minutes",
            ),
            _gauge("late_marks", "Late batches that compaction will look at.", len(late.keys)),
        ]
        if oldest is not None:
            families.append(
                _gauge(
                    "oldest_uncompacted_seconds",
                    "That minute's start, in seconds since 1970 UTC; absent for none.",
                    oldest * 60,
                    "seconds",
                )
            )
        if progress is not None:
            families.append(
                _gauge(
                    "compacted_until_seconds",
                    "Every minute before has its summary; in seconds since 1970 UTC.",
                    progress.made * 60,
                    "seconds",
                )
            )
        if found[keys.DEMO] is not None:
            meaning = "1 when the log holds made-up demonstration history; else absent."
            families.append(_gauge("demo_data", meaning, 1))
        return families

    async def _payments(self, ledger: Ledger) -> Sequence[Family]:
        """Count payments by their state in the ledger."""
        now_ms = self.clock.now_ms()
        midnight_ms = now_ms - now_ms % DAY_MS
        today = _labelled("today_payments", "Payments claimed since midnight UTC, by state.")
        unresolved = _labelled("unresolved_payments", "Payments of any day that are not final.")
        counts = await ledger.counts(midnight_ms)
        for state, count in counts.since.items():
            today.add(count, {"state": state.value})
        for state, count in counts.unresolved.items():
            unresolved.add(count, {"state": state.value})
        return [today, unresolved]


def metrics_response(text: str, request_id: str) -> Response:
    """Make the response that carries metrics."""
    return text_answer(text, request_id, headers=(("content-type", CONTENT_TYPE),))


def _build() -> Family:
    meaning = "The forms in which this version writes."
    formats: Mapping[str, int] = {
        "batch_format": BATCH_VERSION,
        "summary_format": SUMMARY_VERSION,
        "progress_format": PROGRESS_VERSION,
        "settlement_format": SETTLEMENT_VERSION,
    }
    labels = {name: str(version) for name, version in formats.items()}
    return Family("clawr_build", Kind.INFO, meaning).add(1, labels)


def _labelled(name: str, meaning: str) -> Family:
    return Family(f"clawr_{name}", Kind.GAUGE, meaning)


def _gauge(name: str, meaning: str, value: Json, unit: str = "") -> Family:
    return Family(f"clawr_{name}", Kind.GAUGE, meaning, unit).add(value)
