"""The metrics of `GET /__platform/metrics`; docs/observability.md lists them.

A scrape reaches one isolate, and the next scrape another. Metrics named
`clawr_isolate_…` are of that isolate and have its name as a label; the others are
read from the stores and are the same in every isolate. No label has values that
callers or tenants choose. Metrics of a store that cannot be read are left out, and
`clawr_source_up` says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analytics import Analytics
from api.openmetrics import CONTENT_TYPE, Family, Kind, exposition
from core import keys
from core.calendar import DAY_MS
from core.errors import DatabaseUnavailable, ShardUnavailable, StoreUnavailable
from core.ports import Clock, Environment, Json, KeyValueStore, Response, UsageShards
from core.responses import text_response
from core.telemetry import RequestCounters
from metering.batches import BATCH_VERSION
from metering.segments import SEGMENT_VERSION
from metering.settlements import SETTLEMENT_VERSION
from payments.ledger import Ledger
from payments.ledger_reports import counts_since
from usage import UsageRecorder

_SHARD_GAUGES = {
    "acknowledged_position": "Position up to which the log is durable and counted.",
    "flushed_position": "Position up to which the log is in USAGE_KV.",
    "checkpointed_position": "Position up to which the totals are stored in SQLite.",
    "folded_until_seconds": "Days before this have their roll-ups; in seconds since 1970 UTC.",
    "oldest_unflushed_seconds": "Age of the oldest commit that is not in USAGE_KV; 0 if none.",
    "open_parts": "UTC days with events that are not in their roll-ups.",
    "spilled_batches": "Batches in KV that the shard has not added yet.",
    "missing_batches": "Batches that recorders sent before others that have arrived.",
    "dropped_events": "Events that recorders dropped, of days that are not folded.",
    "damaged_totals": "Stored totals that are damaged and cannot be rebuilt.",
    "commits": "Commits since the shard started.",
    "batches": "Batches added since the shard started.",
    "repeated_batches": "Batches received again since the shard started.",
    "refused_batches": "Batches refused since the shard started.",
    "segments": "Segments written since the shard started.",
    "puts_failed": "Failed KV operations since the shard started; they are repeated.",
}
"""Metrics of each shard, `clawr_shard_NAME`; a shard restarts at any time."""


@dataclass(slots=True)
class Metrics:
    """Collects the metrics of the deployment and of this isolate."""

    environment: Environment
    clock: Clock
    recorder: UsageRecorder
    analytics: Analytics
    request_counters: RequestCounters

    async def text(self) -> str:
        """Return all metrics as OpenMetrics text: a read of today, a call to each shard and D1."""
        families = [_build(), *self._isolate()]
        sources: dict[str, bool] = {}
        store, database = self.environment.usage_store, self.environment.control_database
        if store is not None:
            try:
                families += await _demo_data(store)
                sources["USAGE_KV"] = True
            except StoreUnavailable:
                sources["USAGE_KV"] = False
        shards = self.environment.usage_shards
        if shards is not None:
            try:
                if sources.get("USAGE_KV"):
                    families += await self._today()
                families += await _shards(shards)
                sources["USAGE_SHARD"] = True
            except (ShardUnavailable, StoreUnavailable):
                sources["USAGE_SHARD"] = False
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
            counter("events_recorded", "Usage events recorded.").add(counters.events_recorded, own),
            counter("events_acknowledged", "Usage events that a shard acknowledged.").add(
                counters.events_acknowledged, own
            ),
            counter(
                "events_spilled", "Usage events written to KV because a shard did not respond."
            ).add(counters.events_spilled, own),
            counter(
                "events_dropped", "Usage events lost because neither a shard nor KV accepted them."
            ).add(counters.events_dropped, own),
            counter("batches_sent", "Batches that a shard acknowledged.").add(
                counters.batches_sent, own
            ),
            counter("sends_failed", "Failed calls to a shard; they are repeated.").add(
                counters.sends_failed, own
            ),
            Family("clawr_isolate_events_buffered", Kind.GAUGE, "Usage events in memory only.").add(
                report["eventsBuffered"], own
            ),
            histogram(
                "acknowledgment_lag", "From a batch's first event until its acknowledgment."
            ).add_histogram(counters.lags, own),
            operations,
        ]

    async def _today(self) -> Sequence[Family]:
        """Return what the snapshot of `today` shows; it starts at zero at midnight UTC."""
        snapshot = (await self.analytics.snapshots(("today",), 1))["today"]
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

    async def _payments(self, ledger: Ledger) -> Sequence[Family]:
        """Return the payments of the ledger by state."""
        now_ms = self.clock.now_ms()
        midnight_ms = now_ms - now_ms % DAY_MS
        today = _labelled("today_payments", "Payments claimed since midnight UTC, by state.")
        unresolved = _labelled(
            "unresolved_payments", "Payments of any day whose state is not final."
        )
        counts = await counts_since(ledger, midnight_ms)
        for state, count in counts.since.items():
            today.add(count, {"state": state.value})
        for state, count in counts.unresolved.items():
            unresolved.add(count, {"state": state.value})
        return [today, unresolved]


async def _demo_data(store: KeyValueStore) -> Sequence[Family]:
    value = (await store.get_many([keys.DEMO_HISTORY]))[keys.DEMO_HISTORY]
    text = "1 if the log contains generated demo history; else absent."
    return [] if value is None else [_gauge("demo_data", text, 1)]


async def _shards(shards: UsageShards) -> Sequence[Family]:
    """Return how far each shard is. Raises `ShardUnavailable`."""
    families = {name: _labelled(f"shard_{name}", text) for name, text in _SHARD_GAUGES.items()}
    for shard in range(shards.count):
        report = json.loads(await shards.call(shard, "health", ""))
        values = {
            "acknowledged_position": report["acknowledged"],
            "flushed_position": report["flushed"],
            "checkpointed_position": report["checkpointed"],
            "folded_until_seconds": report["foldedUntilDay"] * DAY_MS // 1000,
            "oldest_unflushed_seconds": report["oldestUnflushedSeconds"],
            "open_parts": len(report["openParts"]),
            "spilled_batches": report["spillsWaiting"],
            "missing_batches": sum(report["gaps"].values()),
            "dropped_events": report["dropped"],
            "damaged_totals": len(report["damaged"]),
            "commits": report["sinceStart"]["commits"],
            "batches": report["sinceStart"]["batches"],
            "repeated_batches": report["sinceStart"]["repeatedBatches"],
            "refused_batches": report["sinceStart"]["refusedBatches"],
            "segments": report["sinceStart"]["segments"],
            "puts_failed": report["sinceStart"]["putsFailed"],
        }
        for name, value in values.items():
            families[name].add(value, {"shard": str(shard)})
    return [*families.values()]


def metrics_response(text: str, request_id: str) -> Response:
    """Return the response with metrics as `text`."""
    return text_response(text, request_id, headers=(("content-type", CONTENT_TYPE),))


def _build() -> Family:
    text = "The versions of the formats that this version writes."
    formats: Mapping[str, int] = {
        "batch_format": BATCH_VERSION,
        "segment_format": SEGMENT_VERSION,
        "settlement_format": SETTLEMENT_VERSION,
    }
    labels = {name: str(version) for name, version in formats.items()}
    return Family("clawr_build", Kind.INFO, text).add(1, labels)


def _labelled(name: str, text: str) -> Family:
    return Family(f"clawr_{name}", Kind.GAUGE, text)


def _gauge(name: str, text: str, value: Json, unit: str = "") -> Family:
    return Family(f"clawr_{name}", Kind.GAUGE, text, unit).add(value)
