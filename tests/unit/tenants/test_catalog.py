"""The catalog lists what the directory has, and costs one read for all isolates."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from core import keys
from core.errors import ConfigurationError, StoreUnavailable
from tenants import catalog
from tenants.catalog import CatalogEntry, SharedCatalog
from tenants.directory import TenantDirectory
from tests.support.fake_shards import FakeShards
from tests.support.fakes import FakeClock, FakeStore
from tests.unit.tenants.test_records import REQUIRED

SECONDS_UNTIL_READ = catalog.READ_SECONDS + 1


@dataclass
class Market:
    """A shard and isolates with a directory in `TENANT_KV` and in the variable."""

    variable: str | None = None
    clock: FakeClock = field(default_factory=FakeClock)
    tenants: FakeStore = field(default_factory=FakeStore)

    def __post_init__(self) -> None:
        self.shards = FakeShards(FakeStore(), self.clock, records=(self.tenants, self.variable))

    def isolate(self, *, has_shards: bool = True) -> SharedCatalog[CatalogEntry]:
        """Return the catalog of a new isolate."""
        directory = TenantDirectory(self.clock, self.tenants, self.variable)
        shards = self.shards if has_shards else None
        return SharedCatalog(self.clock, directory, shards, lambda entry: entry)

    def publish(self, slug: str, **changes: Any) -> None:
        """Write a record to `TENANT_KV`."""
        record = json.dumps({**REQUIRED, "slug": slug, "tenantId": f"t-{slug}", **changes})
        self.tenants.values[keys.tenant(slug)] = (record, None)

    def wait(self) -> None:
        """Let the time pass after which the records are read again."""
        self.clock.at_ms += SECONDS_UNTIL_READ * 1_000


def read(isolate: SharedCatalog[CatalogEntry]) -> Mapping[str, CatalogEntry]:
    """Return the catalog."""
    return asyncio.run(isolate.read())


def test_entries_say_what_records_say() -> None:
    market = Market()
    market.publish(
        "a",
        owner="@alice",
        directory="Data",
        title="Rates",
        description="Funding rates.",
        tags=["finance"],
        methods=["GET"],
        priceUsd="0.015",
        x402Enabled=True,
        routes=[{"method": "POST", "path": "/x", "priceUsd": "0.5"}],
    )
    assert read(market.isolate()) == {
        "a": CatalogEntry(
            "t-a",
            "a",
            "@alice",
            "Data",
            "Rates",
            "Funding rates.",
            ["finance"],
            ["GET", "POST"],
            15_000,
            500_000,
            charges=True,
        )
    }


def test_an_api_that_takes_no_payments_does_not_charge() -> None:
    market = Market()
    market.publish("a", priceUsd="0.015")
    market.publish("b", x402Enabled=True)
    market.publish("c", x402Enabled=True, routes=[{"path": "/x", "priceUsd": 1}])
    assert [entry.charges for entry in read(market.isolate()).values()] == [False, False, True]


def test_changes_reach_every_isolate_after_the_pause_and_not_before() -> None:
    market = Market(variable=json.dumps({"tenants": [{**REQUIRED, "slug": "fixed"}]}))
    market.publish("old", title="Old")
    market.publish("gone")
    isolates = [market.isolate(), market.isolate()]
    assert [[*read(isolate)] for isolate in isolates] == [["fixed", "gone", "old"]] * 2
    market.publish("new")
    market.publish("old", title="New")
    del market.tenants.values[keys.tenant("gone")]
    assert "gone" in read(isolates[0])
    market.wait()
    for isolate in isolates:
        found = read(isolate)
        assert [*found] == ["fixed", "new", "old"]
        assert found["old"].title == "New"
    assert read(isolates[0]) is read(isolates[0]), "the same while nothing changes"


def test_isolates_cost_no_reads_of_records() -> None:
    market = Market()
    for number in range(250):
        market.publish(f"a{number}")
    for _ in range(20):
        read(market.isolate())
    assert market.tenants.operations == ["list", "get", "get", "get"]


def test_an_isolate_gets_only_what_has_changed() -> None:
    market = Market()
    for number in range(50):
        market.publish(f"a{number}")
    parsed: list[str] = []
    isolate = market.isolate()

    def note(entry: CatalogEntry) -> CatalogEntry:
        parsed.append(entry.slug)
        return entry

    isolate.parse = note
    read(isolate)
    market.publish("a7", title="New")
    market.wait()
    parsed.clear()
    read(isolate)
    assert parsed == ["a7"]


def test_after_a_restart_of_the_shard_an_isolate_gets_everything_again() -> None:
    market = Market()
    market.publish("a")
    market.publish("b")
    isolate = market.isolate()
    read(isolate)
    del market.tenants.values[keys.tenant("a")]
    market.shards.restart()
    assert [*read(isolate)] == ["b"]


def test_a_refused_record_is_left_out_and_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    market = Market(variable=json.dumps({"tenants": [{**REQUIRED, "slug": "b"}]}))
    market.publish("a", priceUsd="free")
    market.publish("b", priceUsd="free")
    isolate = market.isolate()
    assert [*read(isolate)] == ["b"], "the variable's record still counts"
    monkeypatch.setattr("tenants.catalog.parse_stored", None)
    market.wait()
    assert [*read(isolate)] == ["b"]


def test_if_the_shard_does_not_respond_the_last_catalog_or_the_records_are_read() -> None:
    market = Market()
    market.publish("a")
    known, new = market.isolate(), market.isolate()
    read(known)
    market.publish("b")
    market.wait()
    market.shards.unavailable = {0}
    assert [*read(known)] == ["a"]
    assert [*read(new)] == ["a", "b"]
    operations = len(market.tenants.operations)
    assert [*read(new)] == ["a", "b"]
    assert len(market.tenants.operations) == operations, "it reads them rarely, too"
    market.shards.unavailable = set()
    assert [[*read(isolate)] for isolate in (known, new)] == [["a", "b"]] * 2


def test_without_shards_an_isolate_reads_the_records() -> None:
    market = Market()
    market.publish("a")
    assert [*read(market.isolate(has_shards=False))] == ["a"]


def test_an_outage_of_kv_shows_the_last_catalog(caplog: pytest.LogCaptureFixture) -> None:
    market = Market()
    market.publish("a")
    isolate = market.isolate()
    read(isolate)
    market.tenants.unavailable = True
    market.wait()
    with caplog.at_level(logging.WARNING):
        assert [*read(isolate)] == ["a"]
    assert "catalog_not_read" in caplog.text
    with pytest.raises(StoreUnavailable):
        read(Market(tenants=FakeStore(unavailable=True)).isolate())


def test_an_invalid_variable_is_an_error() -> None:
    with pytest.raises(ConfigurationError):
        read(Market(variable="{").isolate())


def test_long_descriptions_of_many_apis_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "LONG_MAX", 1)
    market = Market()
    for slug in ("a", "b"):
        market.publish(slug, description="d" * 2_000)
    lengths = [len(entry.description) for entry in read(market.isolate()).values()]
    assert lengths == [2_000, catalog.SHORT_DESCRIPTION_LENGTH]


def test_the_catalog_is_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(catalog, "APIS_MAX", 2)
    market = Market()
    for slug in ("c", "a", "b"):
        market.publish(slug)
    assert [*read(market.isolate())] == ["a", "b"]
    assert "catalog_truncated" in caplog.text


def test_reading_takes_a_small_part_of_the_time() -> None:
    market = Market()
    for number in range(400):
        market.publish(f"a{number:03}")
    market.clock = SlowClock()
    market.shards.clock = market.clock
    read(market.isolate())
    operations = len(market.tenants.operations)
    market.wait()
    read(market.isolate())
    assert len(market.tenants.operations) == operations


class SlowClock(FakeClock):
    """A clock that advances by ten seconds while a step of the work is paused."""

    async def sleep_ms(self, duration_ms: int) -> None:
        await super().sleep_ms(duration_ms or 10_000)
