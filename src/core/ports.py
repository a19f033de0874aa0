"""Protocols for everything outside the domain, and the values that cross.

`runtime` implements them inside workerd; `tests.support` implements them on the host.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from core import constants
from core.constants import ScriptLimits
from core.quotas import QuotaLimits, Release, Reserved

Json: TypeAlias = Any
"""A value as `json.loads` returns it; the code that reads one checks it."""


class Clock(Protocol):
    """The source of time."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00Z."""

    async def sleep_ms(self, duration_ms: int) -> None:
        """Return after `duration_ms` milliseconds."""


class ListedKey(NamedTuple):
    """One key of a listing, with the metadata it was written with."""

    name: str
    metadata: Json


class NamePage(NamedTuple):
    """One page of a listing without metadata; `cursor` as in `KeyPage`."""

    names: Sequence[str]
    cursor: str | None


class KeyPage(NamedTuple):
    """One page of a listing; `cursor` identifies the next page, None after the last."""

    keys: Sequence[ListedKey]
    cursor: str | None


class KeyValueStore(Protocol):
    """A Workers KV namespace. Every method raises `StoreUnavailable` when KV fails."""

    async def put(
        self,
        key: str,
        value: str,
        metadata: Mapping[str, Json],
        expiration_ttl_seconds: int | None = None,
    ) -> None:
        """Write `value` under `key`; the last writer wins. The lifetime is at least 60 s."""

    async def delete(self, key: str) -> None:
        """Delete `key` if it exists."""

    async def list_page(
        self, prefix: str, cursor: str | None, limit: int = constants.KV_LIST_KEYS_MAX
    ) -> KeyPage:
        """List up to `limit`, at most 1,000, keys that start with `prefix`, in ascending order."""

    async def list_names(
        self, prefix: str, cursor: str | None, limit: int = constants.KV_LIST_KEYS_MAX
    ) -> NamePage:
        """List like `list_page`, without metadata, which is cheaper."""

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, str | None]:
        """Read up to 100 keys as one operation; None for those that do not exist.

        Raises `ReadTooLarge` if their values exceed 25 MiB together.
        """


class Background(Protocol):
    """Work that continues after the response was sent."""

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Start `work`; the runtime cancels it 30 s after the response at the latest."""


class Request(Protocol):
    """A request as received."""

    @property
    def method(self) -> str:
        """The method in upper case."""

    @property
    def url(self) -> str:
        """The URL with scheme and host."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers by lower-case name; repeated ones joined by a comma."""

    async def text(self) -> str:
        """Read the body as UTF-8 text, once; the caller has checked its length."""


class UpstreamResponse(Protocol):
    """A response of a tenant's script or of `Assets`; the dispatcher never reads its body."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def has_client(self) -> bool:
        """Whether the client was still connected when the response came."""

    @property
    def header_names(self) -> Sequence[str]:
        """The names of its headers in lower case."""

    def header(self, name: str) -> str | None:
        """The value of one header, None if it is absent."""

    async def discard(self) -> None:
        """Cancel its body unread."""


class ProxyResponse(NamedTuple):
    """An upstream response to send on, and the changes to its headers.

    `remove_headers` are removed first; `add_headers` are appended to headers of the same name.
    """

    upstream: UpstreamResponse
    set_headers: Sequence[tuple[str, str]]
    remove_headers: Sequence[str]
    add_headers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Response:
    """A response that the dispatcher makes itself; it has no body if `body` is empty.

    `error` is the error's code, empty if there is none.
    """

    status: int
    headers: Sequence[tuple[str, str]]
    body: str
    error: str = ""


class Namespace(Protocol):
    """The dispatch namespace with the tenants' scripts."""

    def fetch(
        self,
        script: str,
        limits: ScriptLimits,
        request: Request,
        url: str | None,
        remove_headers: Sequence[str],
        prefix: str = "",
    ) -> Awaitable[UpstreamResponse]:
        """Send `request` to `script` and return its response.

        `url` replaces the request's URL if it is not None, and `prefix` is then the value of
        `x-forwarded-prefix`. The script does not receive `remove_headers`. Raises
        `WorkerNotFound`, `TenantLimitExceeded` or `TenantWorkerFailure`.
        """


class Assets(Protocol):
    """The static files that were deployed with the Worker."""

    def fetch(
        self, url: str, method: str, if_none_match: str | None
    ) -> Awaitable[UpstreamResponse]:
        """Return the file at `url`: 304 if its tag is in `if_none_match`, 404 if it is absent."""


class Statement(NamedTuple):
    """One SQL statement with a value for each `?` in it."""

    sql: str
    values: Sequence[str | int | None] = ()


Row: TypeAlias = Mapping[str, str | int | None]
"""One row of a result, by column."""


class Database(Protocol):
    """A D1 database: SQLite's dialect, one transaction per call."""

    async def execute(self, *statements: Statement) -> Sequence[Sequence[Row]]:
        """Run all statements as one transaction and return the rows of each.

        Statements report what they changed with `RETURNING`. Raises `DatabaseUnavailable`
        if the database fails or rejects one of them; whether they took effect is then
        not known.
        """


SqlValue: TypeAlias = str | int | None


class Sql(Protocol):
    """The SQLite database of one Durable Object.

    Statements take effect at once. All statements between two `await`s are one transaction, and
    no response leaves the object before they are durable.
    (https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/)
    """

    def execute(self, statement: str, *values: SqlValue) -> Sequence[Sequence[SqlValue]]:
        """Run one statement with a value for each `?`; return its rows. Raises `SqlRejected`."""


class UsageShards(Protocol):
    """The shards of the usage log: Durable Objects by number, from 0."""

    @property
    def count(self) -> int:
        """How many there are: `USAGE_SHARDS`. Raises `ConfigurationError` if it is unusable."""

    async def call(self, shard: int, method: str, argument: str) -> str:
        """Call a method of a shard, with text as argument and result (`metering.shard`).

        Raises `ShardUnavailable`.
        """


class Fetched(NamedTuple):
    """Another server's response.

    `location` is that header of a redirect, `extensions` the header `EXTENSION-RESPONSES` of
    another response; empty if there is none. `at_ms` is the time in the header `Date` of a response
    with status 401, in milliseconds since 1970; otherwise None.
    """

    status: int
    body: str
    location: str = ""
    at_ms: int | None = None
    extensions: str = ""


class Fetcher(Protocol):
    """Outgoing HTTP requests."""

    async def fetch(
        self,
        url: str,
        *,
        method: str,
        headers: Mapping[str, str],
        body: str | None,
        timeout_ms: int,
        body_bytes_max: int,
    ) -> Fetched:
        """Send a request and return the response; redirects are not followed.

        Raises `FetchFailed` if no response arrives in time or its body is longer than
        `body_bytes_max`; whether the request had an effect is then not known.
        """


SigningAlgorithm: TypeAlias = Literal["ES256", "EdDSA"]
"""ECDSA on P-256 with SHA-256, or Ed25519, as RFC 7518 and RFC 8037 name them."""


class Signer(Protocol):
    """Signatures with private keys."""

    async def sign(self, algorithm: SigningAlgorithm, key: str, text: str) -> str:
        """Sign the UTF-8 bytes of `text`; return the 64 bytes of the signature in base64.

        `key` is PKCS #8 in base64. Raises `KeyUnusable`.
        """


class RateCounter(Protocol):
    """A rate-limit binding: a number of requests per window and key, counted per location."""

    async def take(self, key: str) -> bool:
        """Count one request of `key`; False above the limit. Raises `CounterUnavailable`."""


class QuotaCounters(Protocol):
    """The counters of quotas and spending caps, one per API, by name.

    A counter runs one call at a time, by the rules of `quotas`, and its result is durable
    before it is returned. Every method raises `CounterUnavailable` if a counter does not
    respond; whether it counted is then not known.
    """

    async def reserve(self, name: str, at_ms: int, limits: QuotaLimits, micros: int) -> Reserved:
        """Count one request that may cost `micros`, if `limits` allow it."""

    async def hold(self, name: str, at_ms: int, limits: QuotaLimits, micros: int) -> Reserved:
        """Hold the price of a request that is about to be settled, if `limits` allow it."""

    async def release(self, name: str, released: Release) -> None:
        """Release what a request that has ended did not use, and what it held."""


class OutgoingEnvironment(Protocol):
    """What calls to other servers need: settings, HTTP and signatures."""

    @property
    def fetcher(self) -> Fetcher:
        """Outgoing HTTP."""

    @property
    def signer(self) -> Signer:
        """Signatures."""

    def setting(self, name: str) -> str | None:
        """The variable or secret `name`, None if it is missing or empty."""


class Environment(OutgoingEnvironment, Protocol):
    """The bindings and settings that the deployment gave this Worker."""

    @property
    def usage_store(self) -> KeyValueStore | None:
        """`USAGE_KV`."""

    @property
    def usage_shards(self) -> UsageShards | None:
        """`USAGE_SHARD`."""

    @property
    def tenant_store(self) -> KeyValueStore | None:
        """`TENANT_KV`."""

    @property
    def namespace(self) -> Namespace | None:
        """`DISPATCHER`."""

    @property
    def assets(self) -> Assets | None:
        """`ASSETS`."""

    @property
    def control_database(self) -> Database | None:
        """`CONTROL_DB`."""

    @property
    def quota_counters(self) -> QuotaCounters | None:
        """`QUOTAS`."""

    def rate_counter(self, name: str) -> RateCounter | None:
        """The rate-limit binding `name`, None if it is missing."""

    @property
    def kv_counters(self) -> Mapping[tuple[str, str, bool], int]:
        """KV operations since the isolate started, by binding, operation and success."""
