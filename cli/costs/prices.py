"""Cloudflare's prices, each with the page that states it. The benchmarks use them too."""

from dataclasses import dataclass
from typing import Final

READ_ON: Final = "2026-11-30"
"""When the pages were read, in stored copies; the newest of these copies may be some weeks old."""

_KV = "https://developers.cloudflare.com/kv/platform/pricing/"
_OBJECTS = "https://developers.cloudflare.com/durable-objects/platform/pricing/"
_D1 = "https://developers.cloudflare.com/d1/platform/pricing/"
_LOGS = "https://developers.cloudflare.com/workers/observability/logs/workers-logs/#pricing"
_PLATFORMS = (
    "https://developers.cloudflare.com/cloudflare-for-platforms/workers-for-platforms/"
    "reference/pricing/"
)
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one thing that is billed.

    Args:
        product: The product on Cloudflare's bill.
        item: What is counted, in the plural.
        dollars: The price of `per` of them.
        source: The page that states it.
        per: How many of them `dollars` buy.
        included: How many are included in a month.
        read_on: The day on which the page was read.
    """

    product: str
    item: str
    dollars: float
    source: str
    per: int = _MILLION
    included: float = 0
    read_on: str = READ_ON

    @property
    def each(self) -> float:
        """Dollars for one, beyond what is included."""
        return self.dollars / self.per

    def cost(self, quantity: float) -> float:
        """Return the dollars for a month with this quantity."""
        return max(0.0, quantity - self.included) * self.each


SUBSCRIPTION: Final = Price("Workers for Platforms", "subscriptions", 25, _PLATFORMS, per=1)
REQUESTS: Final = Price(
    "Workers for Platforms", "requests", 0.30, _PLATFORMS, included=20 * _MILLION
)
"""A request of the dispatcher and of the API's script is billed once."""

CPU_MS: Final = Price("Workers for Platforms", "CPU ms", 0.02, _PLATFORMS, included=60 * _MILLION)
"""The CPU time of the dispatcher and of the API's script."""

SCRIPTS: Final = Price("Workers for Platforms", "scripts", 0.02, _PLATFORMS, 1, included=1_000)

KV_READS: Final = Price("KV", "reads", 0.50, _KV, included=10 * _MILLION)
"""Billed for each key, also in a bulk get and also if there is no value."""

KV_WRITES: Final = Price("KV", "writes", 5, _KV, included=_MILLION)
KV_LISTS: Final = Price("KV", "lists", 5, _KV, included=_MILLION)
KV_DELETES: Final = Price("KV", "deletes", 5, _KV, included=_MILLION)
KV_STORAGE: Final = Price("KV", "GB stored", 0.50, _KV, per=1, included=1)

OBJECT_REQUESTS: Final = Price("Durable Objects", "requests", 0.15, _OBJECTS, included=_MILLION)
"""Each call of a method, and each run of an alarm."""

OBJECT_DURATION: Final = Price("Durable Objects", "GB-s active", 12.50, _OBJECTS, included=400_000)
OBJECT_ROWS_WRITTEN: Final = Price(
    "Durable Objects", "rows written", 1, _OBJECTS, included=50 * _MILLION
)
"""Deleted rows, entries of indexes and each setting of an alarm count too."""

OBJECT_ROWS_READ: Final = Price(
    "Durable Objects", "rows read", 0.001, _OBJECTS, included=25_000 * _MILLION
)
OBJECT_STORAGE: Final = Price("Durable Objects", "GB stored", 0.20, _OBJECTS, per=1, included=5)
"""Billed for SQLite since January 2026."""

D1_ROWS_WRITTEN: Final = Price("D1", "rows written", 1, _D1, included=50 * _MILLION)
D1_ROWS_READ: Final = Price("D1", "rows read", 0.001, _D1, included=25_000 * _MILLION)
D1_STORAGE: Final = Price("D1", "GB stored", 0.75, _D1, per=1, included=5)

LOG_EVENTS: Final = Price("Workers Logs", "log events", 0.60, _LOGS, included=20 * _MILLION)
"""One for each request, call of a Durable Object, alarm and cron run, and one for each line."""

OBJECT_GB: Final = 0.128
"""A Durable Object is billed as having 128 MB."""

PRICES: Final = (
    SUBSCRIPTION,
    REQUESTS,
    CPU_MS,
    SCRIPTS,
    KV_READS,
    KV_WRITES,
    KV_LISTS,
    KV_DELETES,
    KV_STORAGE,
    OBJECT_REQUESTS,
    OBJECT_DURATION,
    OBJECT_ROWS_WRITTEN,
    OBJECT_ROWS_READ,
    OBJECT_STORAGE,
    D1_ROWS_WRITTEN,
    D1_ROWS_READ,
    D1_STORAGE,
    LOG_EVENTS,
)
