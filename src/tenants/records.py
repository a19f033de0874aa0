"""Parses directory records and directory documents into tenants.

An invalid record is refused with all its reasons at once; other records keep working.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from core import constants
from core.constants import PLAN_LIMITS, ScriptLimits
from core.errors import ConfigurationError, RecordRefused
from core.ports import Json
from core.quotas import UNBOUNDED, QuotaLimits
from core.safe_json import read_json
from metering.events import Api
from tenants.discovery import NOTHING_KNOWN, Discovery, parse_discovery
from tenants.fields import RecordFields
from tenants.limits import RateLimit, parse_quota_limits, parse_rate_limit
from tenants.pricing import PaymentOption, parse_accepts, parse_pay_to, parse_price
from tenants.routes import ANY_METHOD, Route, parse_routes, route_of

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?", re.ASCII)
_WORKER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)
_TENANT_ID = re.compile(r"[!-~]{1,200}", re.ASCII)
_HOST_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
_HOST_LENGTH_MAX = 253
"""RFC 1035 section 2.3.4, without the final dot."""

_HOST_CACHE_ENTRIES = 1_000

FIELDS = frozenset(
    (
        "accepts",
        "chargeRedirects",
        "description",
        "directory",
        "example",
        "hosts",
        "inputSchema",
        "limits",
        "methods",
        "mimeType",
        "outputSchema",
        "owner",
        "ownerUserId",
        "payTo",
        "paymentNetwork",
        "plan",
        "priceUsd",
        "rateLimit",
        "requirePaymentIdentifier",
        "routes",
        "slug",
        "spendLimit",
        "tags",
        "tenantId",
        "title",
        "usageLimit",
        "workerName",
        "x402Enabled",
    )
)
"""The fields of a record."""


@dataclass(frozen=True)
class Tenant:
    """One valid record of the directory. Money is in micro-dollars.

    Without slots, because `cached_property` needs a `__dict__`.
    """

    slug: str
    tenant_id: str
    worker_name: str
    owner: str
    directory: str
    plan: str
    hosts: Sequence[str]
    limits: ScriptLimits
    price_micros: int
    x402_enabled: bool
    pay_to: str
    payment_network: str
    description: str
    rate_limit: RateLimit | None
    quota_limits: QuotaLimits
    charge_redirects: bool
    needs_identifier: bool
    accepts: Sequence[PaymentOption]
    routes: Sequence[Route]
    discovery: Discovery = NOTHING_KNOWN
    unknown_fields: Sequence[str] = ()
    route: Route | None = None
    """The route whose price this is; None for the record's."""

    @cached_property
    def is_priced(self) -> bool:
        """Whether the dispatcher takes a payment for each request."""
        return self.x402_enabled and self.price_micros > 0

    @cached_property
    def prefix(self) -> str:
        """The path below which the API is reached on a shared host."""
        return f"/t/{self.slug}"

    @property
    def priced(self) -> Sequence[Tenant]:
        """This tenant with each of its prices above 0, if it charges."""
        return [tenant for tenant in (self, *self._at_routes) if tenant.is_priced]

    def at(self, method: str, paths: Iterable[str]) -> Tenant:
        """Return this tenant with the price of a request.

        `paths` are the ways in which its path can be read; the highest price counts.
        """
        found = [route_of(self.routes, method, path) for path in paths]
        priced = [self if index is None else self._at_routes[index] for index in found]
        return max(priced, key=lambda tenant: tenant.price_micros)

    @cached_property
    def _at_routes(self) -> Sequence[Tenant]:
        """This tenant with the price of each route."""
        return [
            replace(
                self,
                price_micros=route.price_micros,
                accepts=route.accepts,
                routes=(),
                route=route,
                discovery=self.discovery.at(
                    route.discovery, "" if route.method == ANY_METHOD else route.method
                ),
            )
            for route in self.routes
        ]

    @cached_property
    def is_limited(self) -> bool:
        """Whether a request must reserve its share of a limit before dispatch."""
        return self.rate_limit is not None or self.counted_limits != UNBOUNDED

    @cached_property
    def counted_limits(self) -> QuotaLimits:
        """The limits that the quota counter checks; caps apply only to a priced API."""
        if self.is_priced:
            return self.quota_limits
        return self.quota_limits._replace(monthly_micros=None, daily_micros=None)

    @cached_property
    def api(self) -> Api:
        """The tenant's description in usage events."""
        return Api(self.tenant_id, self.slug, self.owner, self.directory, self.price_micros)


@dataclass(frozen=True, slots=True)
class Directory:
    """A parsed directory document: the valid records, and the refused ones with their reasons."""

    by_slug: Mapping[str, Tenant]
    by_host: Mapping[str, Tenant]
    refused: Sequence[RecordRefused]


def parse_tenant(record: Json, name: str) -> Tenant:
    """Parse one record.

    `name` is its place, for messages. Raises `RecordRefused` with all reasons.
    """
    if not isinstance(record, dict):
        raise RecordRefused(name, ["it must be an object"])
    fields = RecordFields(record)
    slug = fields.matching(
        "slug",
        SLUG,
        "1 to 63 lower-case letters, digits, - or _, with a letter or digit at each end",
    )
    tenant_id = fields.matching("tenantId", _TENANT_ID, "1 to 200 visible ASCII characters")
    worker_name = fields.matching(
        "workerName", _WORKER_NAME, "the name of a script: letters, digits, - or _, at most 63"
    )
    plan = record.get("plan", "free")
    if type(plan) is not str or plan not in PLAN_LIMITS:
        fields.refuse("plan", f"one of {', '.join(PLAN_LIMITS)}")
        plan = "quarantine"
    price_micros = parse_price(fields)
    pay_to = parse_pay_to(fields)
    accepts = parse_accepts(fields, price_micros, pay_to)
    if record.get("priceUsd") is None and accepts:
        price_micros = accepts[0].price_micros
    routes = parse_routes(fields, price_micros, accepts, pay_to)
    tenant = Tenant(
        slug=slug,
        tenant_id=tenant_id,
        worker_name=worker_name,
        owner=fields.text("owner") or fields.text("ownerUserId"),
        directory=fields.text("directory"),
        plan=plan,
        hosts=_parse_hosts(fields),
        limits=_parse_limits(fields, PLAN_LIMITS[plan]),
        price_micros=price_micros,
        x402_enabled=fields.flag("x402Enabled"),
        pay_to=pay_to,
        payment_network=fields.text("paymentNetwork"),
        description=fields.text("description", constants.DESCRIPTION_LENGTH_MAX),
        rate_limit=parse_rate_limit(fields),
        quota_limits=parse_quota_limits(
            fields, max([price_micros, *(route.price_micros for route in routes)])
        ),
        charge_redirects=fields.flag("chargeRedirects"),
        needs_identifier=fields.flag("requirePaymentIdentifier"),
        accepts=accepts,
        routes=routes,
        discovery=parse_discovery(fields),
        unknown_fields=fields.unknown(FIELDS),
    )
    if fields.reasons:
        shown_slug = record.get("slug")
        label = f"{name} (slug {shown_slug[:63]!r})" if isinstance(shown_slug, str) else name
        raise RecordRefused(label, fields.reasons)
    return tenant


def parse_directory(text: str) -> Directory:
    """Parse a directory document, in either shape of docs/reference/directory.md.

    Invalid records are listed in `refused`. Raises `ConfigurationError` if the document as a
    whole is not a directory.
    """
    try:
        document = read_json(text, is_finite=False)
    except ValueError as error:
        raise _not_a_directory(f"It is no JSON: {error}.") from error
    by_slug: dict[str, Tenant] = {}
    by_host: dict[str, Tenant] = {}
    refused = []
    for name, record in records_in(document):
        try:
            tenant = parse_tenant(record, name)
            _add_tenant(tenant, name, by_slug, by_host)
        except RecordRefused as error:
            refused.append(error)
    return Directory(by_slug, by_host, refused)


def normal_host(name: str) -> str:
    """Normalize a host name for look-ups: lower case, ASCII (Punycode), no final dot.

    Raises `ValueError` if it is not a host name, for example if it has a port.
    """
    name = name.lower().removesuffix(".")
    if not name.isascii():
        # Imported late, because few directories need it.
        import encodings.idna  # noqa: F401, PLC0415

        name = name.encode("idna").decode("ascii").lower()
    labels = name.split(".")
    if len(name) > _HOST_LENGTH_MAX or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{name!r} is not a host name")
    return name


@lru_cache(maxsize=_HOST_CACHE_ENTRIES)
def is_normal_host(name: str) -> bool:
    """Tell whether `name` is a host name in its normal form."""
    try:
        return normal_host(name) == name
    except ValueError:
        return False


def records_in(document: Json) -> Iterator[tuple[str, Json]]:
    """Yield each record of a document with its name for messages.

    Raises `ConfigurationError` if the document is not a directory.
    """
    if not isinstance(document, dict):
        raise _not_a_directory("It must be an object.")
    tenants = document.get("tenants")
    if isinstance(tenants, list):
        yield from ((f"tenants[{index}]", record) for index, record in enumerate(tenants))
        return
    by_slug, by_host = document.get("bySlug", {}), document.get("byHost", {})
    if tenants is not None or not (isinstance(by_slug, dict) and isinstance(by_host, dict)):
        raise _not_a_directory("`tenants` must be a list, `bySlug` and `byHost` objects.")
    if "bySlug" not in document and "byHost" not in document:
        raise _not_a_directory("It has neither `tenants` nor `bySlug` nor `byHost`.")
    # One tenant may be listed under its slug and under each of its hosts.
    merged: dict[str, tuple[str, dict[str, Json]]] = {}
    for kind, entries in (("bySlug", by_slug), ("byHost", by_host)):
        for entry, record in entries.items():
            name = f"{kind}[{entry!r}]"
            if not isinstance(record, dict):
                yield name, record
                continue
            slug = record.get("slug", entry if kind == "bySlug" else None)
            if not isinstance(slug, str):
                # Nothing tells which other record it belongs to.
                yield name, record
                continue
            known = merged.setdefault(slug, (name, {**record, "slug": slug}))[1]
            if kind == "byHost":
                hosts = known.get("hosts") or []
                known["hosts"] = [*hosts, entry] if isinstance(hosts, list) else hosts
    yield from merged.values()


def _add_tenant(
    tenant: Tenant, name: str, by_slug: dict[str, Tenant], by_host: dict[str, Tenant]
) -> None:
    label = f"{name} (slug {tenant.slug!r})"
    if len(by_slug) >= constants.DIRECTORY_RECORDS_MAX:
        raise RecordRefused(
            label, [f"only {constants.DIRECTORY_RECORDS_MAX} records fit a variable"]
        )
    if tenant.slug in by_slug:
        raise RecordRefused(label, ["another record has the same slug"])
    for host in tenant.hosts:
        if host in by_host:
            raise RecordRefused(label, [f"{by_host[host].slug!r} already has the host {host!r}"])
    by_slug[tenant.slug] = tenant
    by_host.update(dict.fromkeys(tenant.hosts, tenant))


def _parse_hosts(fields: RecordFields) -> Sequence[str]:
    hosts = fields.record.get("hosts") or []
    if isinstance(hosts, list) and all(isinstance(host, str) for host in hosts):
        with suppress(ValueError):
            return tuple(dict.fromkeys(normal_host(host) for host in hosts))
    fields.refuse("hosts", "a list of host names without scheme, port and path")
    return ()


def _parse_limits(fields: RecordFields, plan: ScriptLimits) -> ScriptLimits:
    given = fields.record.get("limits") or {}
    if not isinstance(given, dict):
        fields.refuse("limits", "an object with cpuMs and subRequests")
        return plan
    fields.part("limits", given).refuse_others(("cpuMs", "subRequests"))
    sub_requests = given.get("subRequests", plan.sub_requests)
    if type(sub_requests) is int and sub_requests == 0:
        # Older directories have 0 for the plan's limit.
        sub_requests = plan.sub_requests
    values = (given.get("cpuMs", plan.cpu_ms), sub_requests)
    ceilings = (constants.SCRIPT_CPU_MS_MAX, constants.SCRIPT_SUB_REQUESTS_MAX)
    if not all(
        type(value) is int and 1 <= value <= ceiling
        for value, ceiling in zip(values, ceilings, strict=True)
    ):
        fields.refuse(
            "limits", f"whole numbers: cpuMs 1 to {ceilings[0]}, subRequests 1 to {ceilings[1]}"
        )
        return plan
    return ScriptLimits(*values)


def _not_a_directory(reason: str) -> ConfigurationError:
    return ConfigurationError("TENANT_DIRECTORY_JSON", f"{reason} See docs/reference/directory.md.")
