"""The directory: KV before the variable, changes visible within 30 s, bad records isolated."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from core import constants, keys
from core.errors import ConfigurationError, StoreUnavailable
from tenants.directory import TenantDirectory
from tenants.records import Tenant
from tests.support.fakes import FakeClock, FakeStore
from tests.support.log_lines import log_lines

WEATHER: dict[str, Any] = {"slug": "weather", "tenantId": "t1", "workerName": "weather"}
MAPS: dict[str, Any] = {"slug": "maps", "tenantId": "t2", "workerName": "m", "hosts": ["m.example"]}


def variable(*records: object) -> str:
    return json.dumps({"tenants": records})


def publish(store: FakeStore, record: dict[str, Any]) -> None:
    store.values[keys.tenant(record["slug"])] = (json.dumps(record), None)
    for host in record.get("hosts", []):
        store.values[keys.host(host)] = (record["slug"], None)


def by_slug(directory: TenantDirectory, slug: str) -> Tenant | None:
    return asyncio.run(directory.by_slug(slug))


def by_host(directory: TenantDirectory, host: str) -> Tenant | None:
    return asyncio.run(directory.by_host(host))


def worker(tenant: Tenant | None) -> str:
    assert tenant is not None
    return tenant.worker_name


def test_without_kv_the_variable_is_the_directory() -> None:
    directory = TenantDirectory(FakeClock(), None, variable(WEATHER, MAPS))
    assert worker(by_slug(directory, "weather")) == "weather"
    assert worker(by_host(directory, "m.example")) == "m"
    assert by_slug(directory, "nope") is None
    assert by_host(directory, "weather") is None


def test_an_api_in_kv_is_found_by_slug_and_host() -> None:
    store = FakeStore()
    publish(store, MAPS)
    directory = TenantDirectory(FakeClock(), store, None)
    assert worker(by_slug(directory, "maps")) == "m"
    assert worker(by_host(directory, "m.example")) == "m"


def test_kv_takes_precedence_over_the_variable_per_record() -> None:
    store = FakeStore()
    publish(store, {**WEATHER, "workerName": "weather-v2"})
    directory = TenantDirectory(FakeClock(), store, variable(WEATHER, MAPS))
    assert worker(by_slug(directory, "weather")) == "weather-v2"
    assert worker(by_slug(directory, "maps")) == "m"


def test_a_change_is_visible_after_thirty_seconds_and_cached_until_then() -> None:
    clock, store = FakeClock(), FakeStore()
    publish(store, WEATHER)
    directory = TenantDirectory(clock, store, None)
    by_slug(directory, "weather")
    publish(store, {**WEATHER, "workerName": "weather-v2"})
    reads = len(store.operations)
    clock.at_ms += 29_999
    assert worker(by_slug(directory, "weather")) == "weather"
    assert len(store.operations) == reads
    clock.at_ms += 1
    assert worker(by_slug(directory, "weather")) == "weather-v2"


def test_an_api_published_after_a_miss_is_found_after_thirty_seconds() -> None:
    clock, store = FakeClock(), FakeStore()
    directory = TenantDirectory(clock, store, None)
    assert by_slug(directory, "weather") is None
    publish(store, WEATHER)
    clock.at_ms += 30_000
    assert worker(by_slug(directory, "weather")) == "weather"


def test_an_expired_entry_is_served_while_kv_is_unavailable() -> None:
    clock, store = FakeClock(), FakeStore()
    publish(store, WEATHER)
    directory = TenantDirectory(clock, store, None)
    by_slug(directory, "weather")
    store.unavailable = True
    clock.at_ms += 60_000
    assert worker(by_slug(directory, "weather")) == "weather"


def test_a_kv_outage_is_not_an_unknown_api() -> None:
    directory = TenantDirectory(FakeClock(), FakeStore(unavailable=True), variable(WEATHER))
    with pytest.raises(StoreUnavailable):
        by_slug(directory, "weather")


def test_an_outdated_host_key_routes_to_no_tenant() -> None:
    store = FakeStore()
    publish(store, MAPS)
    publish(store, {**MAPS, "hosts": []})
    assert by_host(TenantDirectory(FakeClock(), store, None), "m.example") is None


@pytest.mark.parametrize("value", ["{", '{"slug": "weather"}', json.dumps(MAPS), "[]"])
def test_an_invalid_record_in_kv_is_logged_with_its_key_and_others_work(
    value: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = FakeStore()
    publish(store, MAPS)
    store.values[keys.tenant("weather")] = (value, None)
    directory = TenantDirectory(FakeClock(), store, None)
    with caplog.at_level(logging.WARNING):
        assert by_slug(directory, "weather") is None
    (line,) = log_lines(caplog)
    assert line["event"] == "directory_record_refused"
    assert "TENANT_KV tenant/weather" in line["cause"]
    assert worker(by_slug(directory, "maps")) == "m"


def test_an_invalid_record_in_the_variable_is_logged_with_its_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    directory = TenantDirectory(FakeClock(), None, variable(WEATHER, {"slug": "b"}))
    with caplog.at_level(logging.WARNING):
        by_slug(directory, "weather")
    (line,) = log_lines(caplog)
    assert "tenants[1] (slug 'b')" in line["cause"]


def test_without_a_directory_the_configuration_error_names_both_settings() -> None:
    with pytest.raises(ConfigurationError, match=r"TENANT_DIRECTORY_JSON .* TENANT_KV"):
        by_slug(TenantDirectory(FakeClock(), None, None), "weather")


def test_read_all_returns_the_valid_and_the_rejected_records_of_both_sources() -> None:
    store = FakeStore()
    for number in range(constants.KV_BULK_GET_KEYS_MAX + 20):
        publish(store, {**WEATHER, "slug": f"w{number}"})
    store.values[keys.tenant("bad")] = ("{", None)
    directory = TenantDirectory(FakeClock(), store, variable(WEATHER, {"slug": "b"}))
    everything = asyncio.run(directory.read_all())
    assert len(everything.by_slug) == constants.KV_BULK_GET_KEYS_MAX + 21
    assert [error.record for error in everything.refused] == [
        "tenants[1] (slug 'b')",
        "TENANT_KV tenant/bad",
    ]


def test_unknown_names_do_not_fill_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DIRECTORY_CACHE_ENTRIES", 10)
    directory = TenantDirectory(FakeClock(), FakeStore(), None)
    for number in range(100):
        by_slug(directory, f"made-up-{number}")
    assert len(directory._cache) <= 10
