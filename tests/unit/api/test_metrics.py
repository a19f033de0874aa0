"""`/__platform/metrics` is valid OpenMetrics, and its values match what happened."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from api.openmetrics import CONTENT_TYPE, Family, Kind, exposition
from core import constants, keys
from core.errors import Unauthorized
from core.ports import ProxyResponse, Response
from core.telemetry import PUBLIC, Histogram, RequestCounters
from tests.support.builders import event
from tests.support.fake_network import FakeDatabase
from tests.support.fakes import NOON_MS, FakeEnvironment, FakeUpstreamResponse
from tests.support.platform_scene import SETTINGS, TOKEN, Scene

ROUTE = "/__platform/metrics"


def families(text: str) -> Mapping[str, Metric]:
    """Parse with the official parser, which raises for invalid text."""
    parse: Callable[[str], Iterable[Metric]] = text_string_to_metric_families
    return {family.name: family for family in parse(text)}


def read(scene: Scene) -> Mapping[str, Metric]:
    return families(scene.request(ROUTE).body)


def value(found: Mapping[str, Metric], name: str, **labels: str) -> float:
    """Return the value of the only sample that has these labels."""
    (sample,) = [
        sample
        for family in found.values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return sample.value


def test_the_response_is_complete_openmetrics_text() -> None:
    response = Scene().request(ROUTE)
    headers = dict(response.headers)
    assert headers["content-type"] == CONTENT_TYPE
    assert (headers["cache-control"], headers["x-request-id"]) == ("no-store", "id-1")
    assert response.body.endswith("\n# EOF\n")
    assert len(families(response.body)) > 20


def test_metrics_need_a_token() -> None:
    with pytest.raises(Unauthorized):
        Scene().request(ROUTE, headers={})


def test_requests_are_counted_by_outcome() -> None:
    scene = Scene()
    scene.api.request_counters.add(PUBLIC, ProxyResponse(FakeUpstreamResponse(200), (), ()), 40)
    scene.api.request_counters.add(PUBLIC, Response(402, (), "", "payment_required"), 3)
    found = read(scene)
    total = "clawr_isolate_requests_total"
    assert value(found, total, outcome="served", status="2xx", isolate="w") == 1
    assert value(found, total, outcome="payment_required", status="4xx") == 1
    bucket = "clawr_isolate_request_duration_seconds_bucket"
    assert value(found, bucket, surface="public", le="0.05") == 2
    assert value(found, bucket, surface="public", le="0.025") == 1


def test_recorded_and_acknowledged_events_and_their_lag_are_counted() -> None:
    scene = Scene()
    scene.commit(3)
    scene.recorder.record(event(NOON_MS, request_id="buffered"))
    found = read(scene)
    assert value(found, "clawr_isolate_events_recorded_total") == 4
    assert value(found, "clawr_isolate_events_acknowledged_total") == 3
    assert value(found, "clawr_isolate_events_buffered") == 1
    batches = value(found, "clawr_isolate_batches_sent_total")
    assert batches == value(found, "clawr_isolate_acknowledgment_lag_seconds_count")


def test_metrics_of_today_equal_the_snapshot() -> None:
    scene = Scene()
    scene.recorder.record(event(NOON_MS - 9, status=503, revenue_micros=20_000))
    scene.commit(2)
    hero = scene.body("/__platform/analytics", "?window=today")["snapshot"]["heroStats"]
    found = read(scene)
    assert value(found, "clawr_today_calls") == hero["calls"] == 3
    assert value(found, "clawr_today_call_errors") == 1
    assert value(found, "clawr_today_revenue_usd") == hero["revenueUsd"]
    assert value(found, "clawr_today_callers") == hero["activeAgents"]
    assert value(found, "clawr_snapshot_complete") == 1


def test_each_shard_has_its_positions_as_metrics() -> None:
    scene = Scene()
    scene.commit(3)
    found = read(scene)
    assert value(found, "clawr_shard_acknowledged_position", shard="0") == 1
    assert value(found, "clawr_shard_flushed_position", shard="0") == 0
    assert value(found, "clawr_shard_open_parts", shard="0") == 1
    shards = scene.environment.usage_shards
    assert shards is not None
    scene.clock.at_ms += constants.FLUSH_MS
    assert value(read(scene), "clawr_shard_oldest_unflushed_seconds", shard="0") >= 10
    asyncio.run(shards.run())
    found = read(scene)
    assert value(found, "clawr_shard_flushed_position", shard="0") == 1
    assert value(found, "clawr_shard_oldest_unflushed_seconds", shard="0") == 0


def test_without_a_shard_the_isolates_metrics_remain_and_the_source_is_down() -> None:
    scene = Scene()
    assert scene.environment.usage_shards is not None
    scene.environment.usage_shards.unavailable = {0}
    found = read(scene)
    assert value(found, "clawr_source_up", source="USAGE_SHARD") == 0
    assert "clawr_isolate_requests" in found


def test_without_kv_the_isolates_metrics_remain_and_the_source_is_down() -> None:
    scene = Scene()
    assert scene.environment.usage_store is not None
    scene.environment.usage_store.unavailable = True
    found = read(scene)
    assert value(found, "clawr_source_up", source="USAGE_KV") == 0
    assert "clawr_isolate_requests" in found
    assert "clawr_today_calls" not in found


def test_payments_are_counted_by_state() -> None:
    environment = FakeEnvironment(settings=dict(SETTINGS), control_database=FakeDatabase())
    found = read(Scene(environment=environment))
    states = {"claimed", "pending", "settled", "failed"}
    today = found["clawr_today_payments"].samples
    assert {sample.labels["state"] for sample in today} == states
    assert value(found, "clawr_unresolved_payments", state="pending") == 0
    assert value(found, "clawr_source_up", source="CONTROL_DB") == 1


def test_kv_operations_are_those_that_the_environment_counted() -> None:
    environment = FakeEnvironment(settings=dict(SETTINGS))
    environment.kv_counters[("USAGE_KV", "put", False)] = 7
    found = read(Scene(environment=environment))
    name = "clawr_isolate_kv_operations_total"
    assert value(found, name, binding="USAGE_KV", operation="put", result="failed") == 7


def test_no_label_has_values_that_tenants_or_callers_choose() -> None:
    scene = Scene()
    scene.commit(5)
    names = {
        name
        for family in read(scene).values()
        for sample in family.samples
        for name in sample.labels
    }
    own_labels = {"isolate", "surface", "outcome", "status", "le", "binding", "operation"}
    formats = {"batch_format", "segment_format", "settlement_format"}
    assert names <= own_labels | formats | {"result", "source", "state", "shard"}


def test_demo_history_has_a_metric() -> None:
    scene = Scene()
    assert "clawr_demo_data" not in read(scene)
    assert scene.environment.usage_store is not None
    scene.environment.usage_store.values[keys.DEMO_HISTORY] = ("{}", None)
    assert value(read(scene), "clawr_demo_data") == 1


def test_quotes_and_line_breaks_are_escaped() -> None:
    text = 'a "b" \\ c\nd'
    family = Family("x", Kind.GAUGE, text).add(1, {"label": text})
    (read_back,) = families(exposition([family])).values()
    assert read_back.documentation == text
    assert read_back.samples[0].labels == {"label": text}


def test_an_empty_histogram_has_all_buckets() -> None:
    family = Family("x_seconds", Kind.HISTOGRAM, "X.", "seconds", 1.5)
    family.add_histogram(Histogram((1, 2_500)), {})
    found = families(exposition([family]))
    assert value(found, "x_seconds_bucket", le="2.5") == 0
    assert value(found, "x_seconds_created") == 1.5


def test_head_is_supported() -> None:
    assert Scene().request(ROUTE, headers=TOKEN, method="HEAD").status == 200


def test_a_new_isolate_starts_at_zero() -> None:
    assert RequestCounters(5).counts == {}


def test_the_docs_list_every_metric_and_the_alerts_use_no_others() -> None:
    text = (Path(__file__).parents[3] / "docs" / "observability.md").read_text(encoding="utf-8")
    table = text.replace("`…_", "`clawr_isolate_events_")
    environment = FakeEnvironment(settings=dict(SETTINGS), control_database=FakeDatabase())
    names = read(Scene(environment=environment)).keys()
    assert [name for name in names if f"`{name}`" not in table] == []
    used = set(re.findall(r"clawr_\w+", text[text.index("groups:") :]))
    counters = {f"{name}_total" for name in names}
    assert used <= names | counters, used - names - counters
