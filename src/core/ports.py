"""What the domain needs from the outside, as Protocols, and the values that cross.

Owns shapes only. `runtime` implements the protocols inside workerd; the tests
implement them on the host.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from core import constants
from core.constants import ScriptLimits
from core.quotas import QuotaLimits, Reserved

Json: TypeAlias = Any
"""A value as `json.loads` gives it; whoever reads one checks it."""


class Clock(Protocol):
    """Where the time comes from."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00Z."""

    async def sleep_ms(self, duration_ms: int) -> None:
        """Return after `duration_ms` milliseconds."""


class ListedKey(NamedTuple):
    """One key of a listing, with the metadata it was put with."""

    name: str
    metadata: Json


class NamePage(NamedTuple):
    """One page of a listing by names alone; `cursor` as in `KeyPage`."""

    names: Sequence[str]
    cursor: str | None


class KeyPage(NamedTuple):
    """One page of a listing; `cursor` asks for the next, None when it was the last."""

    keys: Sequence[ListedKey]
    cursor: str | None

    def without_metadata(self) -> NamePage:
        """Give the names alone."""
        return NamePage([key.name for key in self.keys], self.cursor)


class KeyValueStore(Protocol):
    """A Workers KV namespace. Every method raises `StoreUnavailable` when KV fails."""

    async def put(
        self,
        key: str,
        value: str,
        metadata: Mapping[str, Json],
        expiration_ttl_seconds: int | None = None,
    ) -> None:
        """Write `value` under `key`; last writer wins. It may expire, after 60 s at the soonest."""

    async def delete(self, key: str) -> None:
        """Delete `key`, if it is there."""

    async def list_page(
        self, prefix: str, cursor: str | None, limit: int = constants.KV_LIST_KEYS_MAX
    ) -> KeyPage:
        """List up to `limit`, at most 1,000, keys that start with `prefix`, in ascending order."""

    async def list_names(
        self, prefix: str, cursor: str | None, limit: int = constants.KV_LIST_KEYS_MAX
    ) -> NamePage:
        """List as `list_page` does, without metadata: less to carry over and to read."""

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, str | None]:
        """Read up to 100 keys as one operation; None for those that do not exist.

        Raises `ReadTooLarge` when their values are more than 25 MiB together.
        """


class Background(Protocol):
    """What keeps work going after the response has left."""

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Start `work`; the runtime ends it 30 s after the response at the latest."""


class Request(Protocol):
    """A request as it arrived."""

    @property
    def method(self) -> str:
        """The method, upper case."""

    @property
    def url(self) -> str:
        """The whole URL, scheme and host included."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers by lower-case name; repeated ones joined by a comma."""


class UpstreamResponse(Protocol):
    """What a tenant's script answered, or `Assets`; its body is never read by the dispatcher."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def header_names(self) -> Sequence[str]:
        """The names of its headers, lower case."""

    def header(self, name: str) -> str | None:
        """The value of one header, None when it is not there."""

    async def discard(self) -> None:
        """Drop its body unread; nobody is to have it."""


class ProxyResponse(NamedTuple):
    """A tenant's reply on its way out, with the headers the dispatcher changes.

    Those to remove go first; `add_headers` join what the tenant says in the same.
    """

    reply: UpstreamResponse
    set_headers: Sequence[tuple[str, str]]
    remove_headers: Sequence[str]
    add_headers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Response:
    """A response that the dispatcher makes itself; an empty `body` is none.

    `error` is the code of the error that it tells of, empty for none.
    """

    status: int
    headers: Sequence[tuple[str, str]]
    body: str
    error: str = ""


class Namespace(Protocol):
    """The dispatch namespace that holds the tenants' scripts."""

    def fetch(
        self,
        script: str,
        limits: ScriptLimits,
        request: Request,
        url: str | None,
        remove_headers: Sequence[str],
    ) -> Awaitable[UpstreamResponse]:
        """Let `script` answer `request`.

        `url` replaces the request's own when given; `remove_headers` are taken
        out. Raises `WorkerNotFound`, `TenantLimitExceeded` or
        `TenantWorkerFailure`.
        """


class Assets(Protocol):
    """The static files that were deployed with the Worker."""

    def fetch(
        self, url: str, method: str, if_none_match: str | None
    ) -> Awaitable[UpstreamResponse]:
        """Give the file at `url`; 304 when its tag is in `if_none_match`, 404 without one."""


class Statement(NamedTuple):
    """One SQL statement with a value for each `?` in it."""

    sql: str
    values: Sequence[str | int | None] = ()


Row: TypeAlias = Mapping[str, str | int | None]
"""One row of a result by column."""


class Database(Protocol):
    """A D1 database: SQLite's dialect, one transaction a call."""

    async def execute(self, *statements: Statement) -> Sequence[Sequence[Row]]:
        """Run all statements as one transaction; give the rows of each.

        A statement changes something if it returns what it changed
        (`RETURNING`). Raises `DatabaseUnavailable` when the database fails or
        refuses one of them; whether they took effect is then not known.
        """


class Fetched(NamedTuple):
    """What another server answered."""

    status: int
    body: str


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
        """Send a request and read its answer; redirects are answers.

        Raises `FetchFailed` when there is no answer in time, or a longer one
        than `body_bytes_max`; whether the request had an effect is then not known.
        """


class RateCounter(Protocol):
    """A rate-limit binding: so many an interval for each key, counted at one location."""

    async def take(self, key: str) -> bool:
        """Count one of `key`; False when no more are allowed. Raises `CounterUnavailable`."""


class QuotaCounters(Protocol):
    """The counters of quotas and caps, one for each API by name.

    Each does one thing at a time, by the rules of `quotas`, and what it
    answered is durable. Every method raises `CounterUnavailable` when a counter
    does not answer; whether it counted is then not known.
    """

    async def reserve(self, name: str, at_ms: int, bounds: QuotaLimits, micros: int) -> Reserved:
        """Count one request that costs `micros`, if `bounds` allow it."""

    async def release(self, name: str, day: int, requests: int, micros: int) -> None:
        """Take back what was reserved on the UTC day `day`."""


class Environment(Protocol):
    """The bindings and settings that the deployment gave this Worker."""

    @property
    def usage_store(self) -> KeyValueStore | None:
        """`USAGE_KV`."""

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
        """The rate-limit binding `name`, None when it is missing."""

    @property
    def fetcher(self) -> Fetcher:
        """Outgoing HTTP."""

    @property
    def kv_tally(self) -> Mapping[tuple[str, str, bool], int]:
        """Operations on KV since the isolate began: by binding, operation, and success."""

    def setting(self, name: str) -> str | None:
        """The variable or secret `name`, None when it is missing or empty."""
