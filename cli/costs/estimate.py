"""Computes what a dispatcher uses in a month of 30 days, and what that costs."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cli.costs import prices
from cli.costs.prices import Price
from cli.costs.usage_log import LogRates, log_rates
from cli.errors import Finding, InputError
from core import constants

MONTH_SECONDS: Final = 30 * 86_400
_MONTH_DAYS: Final = 30
_MILLION: Final = 1_000_000

REQUESTS_PER_SECOND_MAX: Final = 1_000_000
LOCATIONS_MAX: Final = 1_000
"""Cloudflare has data centers in about 330 cities."""

APIS_MAX: Final = 1_000_000

CALLS_PER_SHARD_MAX: Final = 500
"""Calls a second; a Durable Object accepts 500 to 1,000 requests a second."""

_CRON_SECONDS = 60
_CRON_LINES = 1
"""Lines in the log of one run: `payment_recovery_ran`."""

_SHARD_WRITES_PER_DAY = 5
"""A roll-up, three bases and the manifest (docs/reference/storage.md)."""

_SHARD_DELETES_PER_DAY = 4
"""The bases and the manifest of the day before."""

LEDGER_ROWS_WRITTEN: Final = 11
"""Rows of D1 that a payment writes in its life (docs/payments.md)."""

_LEDGER_ROWS_READ = 16
"""Measured until it is served (docs/performance.md, paid requests)."""

_ARCHIVED_TOGETHER = 500
"""Payments in one value of the archive."""

STORED_DAYS: Final = constants.SEGMENT_DAYS
"""How old what is stored is: segments expire then; settlements and archived payments never do."""

LEDGER_BYTES: Final = 5_000
ARCHIVED_BYTES: Final = 45
"""Of a payment in D1, in its first two days and after that (docs/payments.md)."""

ARCHIVE_BYTES: Final = 1_540
"""Of a payment in KV, in its archive."""

SETTLEMENT_BYTES: Final = 390
SEGMENT_BYTES: Final = 46
"""Of a settlement and of a segment in the tables of a shard."""

_CHECKPOINT_BYTES = 5_000
"""Of an API in the checkpoint of a shard."""

_USAGE_BYTES = 1_000
"""Of an API and day in the tables of a shard (docs/reference/storage.md)."""

_COUNTER_BYTES = 12_000
"""Of an object with next to nothing
(https://developers.cloudflare.com/durable-objects/reference/faq/)."""

_LEDGER_DAYS = 2
_GB = 1e9
_GB_MAX = 10
"""Of a database of D1 and of a Durable Object
(https://developers.cloudflare.com/d1/platform/limits/,
https://developers.cloudflare.com/durable-objects/platform/limits/)."""

_SHARE_CALLS_FREE = 1
_SHARE_CALLS_PAID = 3
"""Calls of a quota's counter: `reserve`; if paid, also `hold` and `release`."""

_COUNTER_SECONDS = 0.005
_READ_SECONDS = 0.02
"""Assumed: how long an object is active for one call of a counter, and of a read."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a dispatcher serves.

    Args:
        requests_per_second: Requests to APIs, on average over the month.
        locations: Locations of Cloudflare that serve them, with one isolate each.
        paid_share: The share of requests that are paid, 0 to 1.
        limited_share: The share of requests to APIs with a quota or spending cap, 0 to 1.
        apis: Published APIs, each with a script and equal traffic.
        reads_per_second: Requests for analytics that no cache answers.
        cpu_ms: CPU milliseconds of a request, in the dispatcher and the API's script.
        shards: Shards of the usage log, with equal traffic.
        logged_share: The share of invocations that are logged: `head_sampling_rate`, 0 to 1.
    """

    requests_per_second: float
    locations: int = 1
    paid_share: float = 0.0
    limited_share: float = 0.0
    apis: int = 100
    reads_per_second: float = 0.1
    cpu_ms: float = 2.0
    shards: int = 1
    logged_share: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges; raises `InputError` with all mistakes."""
        rules = (
            ("--requests-per-second", self.requests_per_second, 0, REQUESTS_PER_SECOND_MAX, False),
            ("--locations", self.locations, 1, LOCATIONS_MAX, True),
            ("--paid-share", self.paid_share, 0, 1, True),
            ("--limited-share", self.limited_share, 0, 1, True),
            ("--apis", self.apis, 1, APIS_MAX, True),
            ("--reads-per-second", self.reads_per_second, 0, REQUESTS_PER_SECOND_MAX, True),
            ("--cpu-ms", self.cpu_ms, 0, constants.SCRIPT_CPU_MS_MAX, False),
            ("--shards", self.shards, 1, constants.SHARDS_MAX, True),
            ("--logged-share", self.logged_share, 0, 1, True),
        )
        findings = [
            Finding(f"{value:g} is not a number {_range(least, most, has_least)}.", name)
            for name, value, least, most, has_least in rules
            # A comparison with NaN is false.
            if not ((least <= value if has_least else least < value) and value <= most)
        ]
        if findings:
            raise InputError("The traffic is not valid.", "", findings)


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the bill: `quantity` in a month, at `price`."""

    price: Price
    quantity: float

    @property
    def dollars(self) -> float:
        """Dollars for a month."""
        return self.price.cost(self.quantity)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A month of a dispatcher.

    Args:
        traffic: What it serves.
        items: The bill.
        log: What each shard of the usage log does in a second.
    """

    traffic: Traffic
    items: tuple[Item, ...]
    log: LogRates

    @property
    def requests(self) -> float:
        """Requests to APIs in a month."""
        return self.traffic.requests_per_second * MONTH_SECONDS

    @property
    def dollars(self) -> float:
        """Dollars for a month, beyond what is included."""
        return sum(one.dollars for one in self.items)

    @property
    def dollars_per_million(self) -> float:
        """Dollars for a million requests to APIs, the subscription included."""
        return self.dollars / self.requests * _MILLION

    @property
    def marginal_per_million(self) -> float:
        """Dollars for a million requests if all that is included is used already."""
        dollars = sum(
            one.quantity * one.price.each
            for one in self.items
            if one.price not in (prices.SUBSCRIPTION, prices.SCRIPTS)
        )
        return dollars / self.requests * _MILLION

    @property
    def notes(self) -> tuple[str, ...]:
        """What the traffic needs that this estimate does not show."""
        return tuple(self._notes())

    def _notes(self) -> Iterator[str]:
        if self.log.calls > CALLS_PER_SHARD_MAX:
            calls = f"{self.log.calls:,.0f} calls a second"
            more = self._more_shards(self.log.calls / CALLS_PER_SHARD_MAX)
            yield f"A shard would get {calls}, and accepts some hundred. {more}"
        shard_gb = _shard_bytes(self.traffic, self.log) / _GB
        if shard_gb > _GB_MAX:
            more = self._more_shards(shard_gb / _GB_MAX)
            yield (
                f"A shard would store {shard_gb:,.0f} GB after {STORED_DAYS} days, and can store"
                f" {_GB_MAX}. {more}"
            )
        ledger_gb = _ledger_bytes(self.traffic) / _GB
        if ledger_gb > _GB_MAX:
            yield (
                f"The ledger would have {ledger_gb:,.0f} GB after {STORED_DAYS} days; a database"
                f" of D1 has at most {_GB_MAX}."
            )

    def _more_shards(self, factor: float) -> str:
        shards = math.ceil(factor * self.traffic.shards)
        if shards <= constants.SHARDS_MAX:
            return f"Set USAGE_SHARDS to about {shards}."
        return f"{constants.SHARDS_MAX} shards, the most there can be, are not enough."


def estimate(traffic: Traffic) -> Estimate:
    """Return what a month with this traffic uses and costs."""
    each = 1 / traffic.shards
    paid = traffic.requests_per_second * traffic.paid_share
    free = traffic.requests_per_second - paid
    log = log_rates(free * each, traffic.locations, paid * each)
    quantities = {**_platform(traffic), **_stores(traffic, log, paid), **_objects(traffic, log)}
    quantities[prices.LOG_EVENTS] = traffic.logged_share * (
        quantities[prices.REQUESTS]
        + quantities[prices.OBJECT_REQUESTS]
        + _CRON_LINES * MONTH_SECONDS / _CRON_SECONDS
    )
    items = tuple(Item(one, quantities[one]) for one in prices.PRICES)
    return Estimate(traffic, items, log)


def _platform(traffic: Traffic) -> Mapping[Price, float]:
    served = traffic.requests_per_second + traffic.reads_per_second + 1 / _CRON_SECONDS
    requests = served * MONTH_SECONDS
    return {
        prices.SUBSCRIPTION: 1,
        prices.REQUESTS: requests,
        prices.CPU_MS: requests * traffic.cpu_ms,
        prices.SCRIPTS: traffic.apis,
    }


def _stores(traffic: Traffic, log: LogRates, paid_per_second: float) -> Mapping[Price, float]:
    shards, payments = traffic.shards, paid_per_second * MONTH_SECONDS
    checks = MONTH_SECONDS * 1_000 / constants.SPILL_CHECK_MS
    stored_seconds = STORED_DAYS * 86_400
    archives = paid_per_second * ARCHIVE_BYTES
    return {
        prices.KV_READS: directory_reads(traffic) * MONTH_SECONDS,
        prices.KV_WRITES: shards * log.segments * MONTH_SECONDS
        + shards * _SHARD_WRITES_PER_DAY * _MONTH_DAYS
        + payments / _ARCHIVED_TOGETHER,
        # Cron calls each shard every minute, so it looks for spilled batches without requests too.
        prices.KV_LISTS: shards * checks,
        prices.KV_DELETES: shards * _SHARD_DELETES_PER_DAY * _MONTH_DAYS,
        prices.KV_STORAGE: (shards * log.stored_bytes + archives) * stored_seconds / _GB,
        prices.D1_ROWS_WRITTEN: payments * LEDGER_ROWS_WRITTEN,
        prices.D1_ROWS_READ: payments * _LEDGER_ROWS_READ,
        prices.D1_STORAGE: _ledger_bytes(traffic) / _GB,
    }


def directory_reads(traffic: Traffic) -> float:
    """Return the keys of the directory that all isolates read in a second.

    An isolate keeps each record, and the absence of a record for the dispatcher's own host, for
    `DIRECTORY_CACHE_SECONDS`. An API at a host of its own costs one key more.
    """
    rate = traffic.requests_per_second / traffic.locations
    of_host = 1 / (constants.DIRECTORY_CACHE_SECONDS + 1 / rate)
    of_apis = traffic.apis / (constants.DIRECTORY_CACHE_SECONDS + traffic.apis / rate)
    return traffic.locations * (of_host + of_apis)


def _objects(traffic: Traffic, log: LogRates) -> Mapping[Price, float]:
    limited = traffic.requests_per_second * traffic.limited_share
    calls_each = _SHARE_CALLS_FREE + traffic.paid_share * (_SHARE_CALLS_PAID - _SHARE_CALLS_FREE)
    counted = limited * calls_each
    # A read is one call of shard 0, which calls the others.
    reads = traffic.reads_per_second * traffic.shards
    per_shard = log.calls + log.alarms + 1 / _CRON_SECONDS
    active = (
        traffic.shards * log.active_seconds + counted * _COUNTER_SECONDS + reads * _READ_SECONDS
    )
    return {
        prices.OBJECT_REQUESTS: (traffic.shards * per_shard + counted + reads) * MONTH_SECONDS,
        prices.OBJECT_DURATION: active * prices.OBJECT_GB * MONTH_SECONDS,
        prices.OBJECT_ROWS_WRITTEN: (traffic.shards * log.rows + counted) * MONTH_SECONDS,
        prices.OBJECT_ROWS_READ: (traffic.shards * log.rows + counted) * MONTH_SECONDS,
        prices.OBJECT_STORAGE: (
            traffic.shards * _shard_bytes(traffic, log)
            + traffic.apis * traffic.limited_share * _COUNTER_BYTES
        )
        / _GB,
    }


def _shard_bytes(traffic: Traffic, log: LogRates) -> float:
    """Return what a shard stores: settlements, segments, usage, and what it recovers from."""
    settlements = traffic.requests_per_second * traffic.paid_share / traffic.shards
    rows = settlements * SETTLEMENT_BYTES + log.segments * SEGMENT_BYTES
    uncovered = log.stored_bytes * constants.CHECKPOINT_MS / 1_000
    of_apis = traffic.apis / traffic.shards * (_CHECKPOINT_BYTES + _USAGE_BYTES * STORED_DAYS)
    return rows * STORED_DAYS * 86_400 + uncovered + of_apis


def _ledger_bytes(traffic: Traffic) -> float:
    payments_a_day = traffic.requests_per_second * traffic.paid_share * 86_400
    return payments_a_day * (_LEDGER_DAYS * LEDGER_BYTES + STORED_DAYS * ARCHIVED_BYTES)


def _range(least: float, most: float, has_least: bool) -> str:  # noqa: FBT001 (from a table)
    return f"from {least:g} to {most:,}" if has_least else f"above {least:g}, up to {most:,}"


def sources(items: tuple[Item, ...]) -> Iterator[str]:
    """Yield the pages that state the prices, without repetition."""
    yield from dict.fromkeys(one.price.source for one in items)
