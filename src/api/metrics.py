"""The metrics of `GET /__platform/metrics`; docs/observability.md lists them.

A scrape reaches one isolate, and the next scrape another. Metrics named
`clawr_isolate_…` are of that isolate and have its name as a label; the others are
read from the stores and are the same in every isolate. No label has values that
callers or tenants choose. Metrics of a store that cannot be read are left out, and
`clawr_source_up` says so.
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
from core.responses import text_response
from core.telemetry import RequestCounters
from metering.consistency import Overview, oldest_uncompacted
from metering.events import BATCH_VERSION
from metering.settlements import SETTLEMENT_VERSION
from metering.state import STATE_VERSION, decode_state
from metering.summary import SUMMARY_VERSION
from payments.ledger import Ledger
from usage import UsageRecorder


@dataclass(slots=True)
class Metrics:
    """Collects the metrics of the deployment and of this isolate."""

    environment: Environment
    clock: Clock
    recorder: UsageRecorder
    analytics: Analytics
    request_counters: RequestCounters

    async def text(self, background: Background) -> str:
        """Return all metrics as OpenMetrics text. Takes about ten KV operations and one of D1."""
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
        """Return what this isolate counted since it started."""
        own = {"isolate": self.recorder.writer}
        started_seconds = self.request_counters.began_ms / 1000

        def counter(name: str, text: str) -> Family:
            name = f"clawr_isolate_{name}"
            return Family(name, Kind.COUNTER, text, created_seconds=started_seconds)

        def histogram(name: str, text: str) -> Family:
            name = f"clawr_isolate_{name}_seconds"
            return Family(name, Kind.HISTOGRAM, text, "seconds", started_seconds)

        requests = counter("requests", "Requests by surface, outcome and status class.")
        for (surface, outcome, status), count in sorted(self.request_counters.counts.items()):
            labels = {"surface": surface, "outcome": outcome, "status": f"{status}xx"}
            requests.add(count, {**own, **labels})
        durations = histogram("request_duration", "From arrival until the response's headers.")
        for surface, counts in self.request_counters.durations.items():
            durations.add_histogram(counts, {**own, "surface": surface})
        operations = counter("kv_operations", "KV operations; failed ones are retried.")
        for (binding, operation, is_ok), count in sorted(self.environment.kv_counters.items()):
            labels = {"binding": binding, "operation": operation}
            operations.add(count, {**own, **labels, "result": "ok" if is_ok else "failed"})
        counters, report = self.recorder.counters, self.recorder.report()
        return [
            Family(
                "clawr_isolate_start_time_seconds",
                Kind.GAUGE,
                "When this isolate started, in seconds since 1970 UTC.",
                "seconds",
            ).add(started_seconds, own),
            requests,
            durations,
            counter("events_appended", "Usage events recorded.").add(counters.events_appended, own),
            counter("events_committed", "Usage events written.").add(
                counters.events_committed, own
            ),
            counter(
                "events_dropped", "Usage events lost because KV refused writes for too long."
            ).add(counters.events_dropped, own),
            counter("batches_committed", "Batches written.").add(counters.batches_committed, own),
            counter("puts_failed", "Writes of batches that KV refused; they are retried.").add(
                counters.puts_failed, own
            ),
            Family("clawr_isolate_events_held", Kind.GAUGE, "Usage events in memory only.").add(
                report["eventsHeld"], own
            ),
            histogram(
                "commit_lag", "From a batch's first event until the batch was written."
            ).add_histogram(counters.commit_lags, own),
            operations,
        ]

    async def _today(self, store: KeyValueStore, background: Background) -> Sequence[Family]:
        """Return what the snapshot of `today` shows; it starts at zero at midnight UTC."""
        snapshot = (await self.analytics.snapshots(store, ("today",), 1, background))["today"]
        hero, freshness = snapshot["heroStats"], snapshot["freshness"]
        return [
            _gauge("today_calls", "Calls since midnight UTC.", hero["calls"]),
            _gauge(
                "today_call_errors",
                "Calls since midnight UTC with status 500 and up, 408 or 429.",
                sum(hour["errors"] for hour in snapshot["series"]),
            ),
            _gauge(
                "today_revenue_usd",
                "Payments settled since midnight UTC.",
                hero["revenueMicros"] / 1_000_000,
                "usd",
            ),
            _gauge("today_callers", "Distinct callers since midnight UTC.", hero["activeAgents"]),
            _gauge("today_apis", "APIs called since midnight UTC.", hero["publishedApis"]),
            _gauge(
                "today_events_dropped", "Usage events dropped today.", freshness["droppedEvents"]
            ),
            _gauge(
                "snapshot_lag_seconds",
                "Age of the time up to which everything is counted.",
                freshness["lagSeconds"],
                "seconds",
            ),
            _gauge(
                "snapshot_complete",
                "1 if nothing was left out, else 0.",
                int(freshness["complete"]),
            ),
        ]

    async def _backlog(self, store: KeyValueStore) -> Sequence[Family]:
        """Return how far compaction is behind."""
        now_ms = self.clock.now_ms()
        newest = await store.list_page(keys.USAGE_PREFIX, None)
        late = await store.list_page(keys.LATE_PREFIX, None)
        values = await store.get_many([keys.COMPACTION_STATE, keys.DEMO_HISTORY])
        state = decode_state(values[keys.COMPACTION_STATE])
        overview = Overview(state, newest, late, now_ms // MINUTE_MS)
        oldest = await oldest_uncompacted(store, overview)
        waiting = 0 if oldest is None else overview.now_minute - oldest
        families = [
            _gauge(
                "uncompacted_minutes",
                "Age in minutes of the oldest minute with events and no summary; 0 if none.",
                waiting,
                "minutes",
            ),
            _gauge("late_marks", "Late batches that compaction has not processed.", len(late.keys)),
        ]
        if oldest is not None:
            families.append(
                _gauge(
                    "oldest_uncompacted_seconds",
                    "Start of that minute, in seconds since 1970 UTC; absent if none.",
                    oldest * 60,
                    "seconds",
                )
            )
        if state is not None:
            families.append(
                _gauge(
                    "compacted_until_seconds",
                    "Every minute before this has its summary; in seconds since 1970 UTC.",
                    state.summarized_until * 60,
                    "seconds",
                )
            )
        if values[keys.DEMO_HISTORY] is not None:
            text = "1 if the log contains generated demo history; else absent."
            families.append(_gauge("demo_data", text, 1))
        return families

    async def _payments(self, ledger: Ledger) -> Sequence[Family]:
        """Return the payments of the ledger by state."""
        now_ms = self.clock.now_ms()
        midnight_ms = now_ms - now_ms % DAY_MS
        today = _labelled("today_payments", "Payments claimed since midnight UTC, by state.")
        unresolved = _labelled(
            "unresolved_payments", "Payments of any day whose state is not final."
        )
        counts = await ledger.counts(midnight_ms)
        for state, count in counts.since.items():
            today.add(count, {"state": state.value})
        for state, count in counts.unresolved.items():
            unresolved.add(count, {"state": state.value})
        return [today, unresolved]


def metrics_response(text: str, request_id: str) -> Response:
    """Return the response with metrics as `text`."""
    return text_response(text, request_id, headers=(("content-type", CONTENT_TYPE),))


def _build() -> Family:
    text = "The versions of the formats that this version writes."
    formats: Mapping[str, int] = {
        "batch_format": BATCH_VERSION,
        "summary_format": SUMMARY_VERSION,
        "progress_format": STATE_VERSION,
        "settlement_format": SETTLEMENT_VERSION,
    }
    labels = {name: str(version) for name, version in formats.items()}
    return Family("clawr_build", Kind.INFO, text).add(1, labels)


def _labelled(name: str, text: str) -> Family:
    return Family(f"clawr_{name}", Kind.GAUGE, text)


def _gauge(name: str, text: str, value: Json, unit: str = "") -> Family:
    return Family(f"clawr_{name}", Kind.GAUGE, text, unit).add(value)
