"""What is configured, what is wrong with it, and how the log fares.

Owns the answer of `GET /__platform/health`. Whatever cannot be looked at is a
problem in the answer, never an error of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.auth import Authorizer
from api.explore.sources import upstream_of
from api.invariants import Invariant, invariants_of
from core import keys
from core.calendar import MINUTE_MS, timestamp
from core.errors import (
    BindingMissing,
    ConfigurationError,
    DatabaseUnavailable,
    FetchFailed,
    StoreUnavailable,
)
from core.keys import read_reconciled
from core.ports import Clock, Environment, Json
from core.quotas import UNBOUNDED
from metering.consistency import Overview, compare, oldest_uncompacted
from metering.state import decode_progress
from payments.chain import RPC_SETTING
from payments.facilitator import Facilitators
from payments.ledger import Ledger
from payments.requirements import facilitator_urls, offer_for
from tenants.admission import QUOTAS_BINDING
from tenants.directory import TenantDirectory
from tenants.records import Directory, Tenant
from usage import UsageRecorder


def problem(code: str, message: str) -> Mapping[str, str]:
    """Write one entry of the report's list of problems."""
    return {"code": code, "message": message}


async def payment_report(
    environment: Environment,
    clock: Clock,
    tenants: Sequence[Tenant],
    problems: list[Mapping[str, str]],
) -> Mapping[str, Json]:
    """Say how payments fare, and add to `problems` what keeps priced tenants from being paid."""
    priced = [tenant for tenant in tenants if tenant.is_priced]
    report: dict[str, Json] = {"pricedApis": len(priced)}
    if environment.control_database is not None:
        report |= await _ledger_report(environment, clock, problems)
    elif priced:
        problems.append(problem(BindingMissing.code, BindingMissing("CONTROL_DB").message))
    networks = set()
    found: dict[str, Mapping[str, str]] = {}
    for tenant in priced:
        try:
            networks.add(offer_for(environment, tenant).network)
        except ConfigurationError as error:
            # One setting is one problem, however many tenants need it.
            found[error.message] = problem(error.code, error.message)
    problems += found.values()
    if priced:
        report["facilitators"] = await _facilitators(environment, clock, networks, problems)
        report["chainEvidence"] = environment.setting(RPC_SETTING) is not None
    return report


async def _ledger_report(
    environment: Environment, clock: Clock, problems: list[Mapping[str, str]]
) -> Mapping[str, Json]:
    database, store = environment.control_database, environment.usage_store
    assert database is not None
    through = None
    try:
        since_ms, pending = await Ledger(database, clock).oldest_unresolved_ms()
        if store is not None:
            value = (await store.get_many([keys.RECONCILED]))[keys.RECONCILED]
            through = read_reconciled(value)
    except DatabaseUnavailable as error:
        message = f"CONTROL_DB cannot be read; are its migrations applied? {error}"
        problems.append(problem("database_unavailable", message))
        return {}
    except StoreUnavailable as error:
        problems.append(problem("store_unavailable", f"USAGE_KV cannot be read: {error}"))
        return {}
    return {
        "pending": pending,
        "unsettledSince": None if since_ms is None else timestamp(since_ms),
        "reconciledThrough": None if through is None else timestamp(through),
    }


async def _facilitators(
    environment: Environment,
    clock: Clock,
    networks: set[str],
    problems: list[Mapping[str, str]],
) -> Sequence[Mapping[str, Json]]:
    try:
        urls = facilitator_urls(environment)
    except ConfigurationError as error:
        problems.append(problem(error.code, error.message))
        return []
    facilitators = Facilitators(environment, clock)
    shown: list[Mapping[str, Json]] = []
    for url in urls:
        try:
            kinds = await facilitators.supported(url)
        except FetchFailed as error:
            problems.append(problem("facilitator_unavailable", f"{url}/supported: {error}"))
            shown.append({"url": url, "answers": False, "supports": []})
            continue
        supported = {kind.get("network") for kind in kinds if isinstance(kind, dict)}
        shown.append({"url": url, "answers": True, "supports": sorted(networks & supported)})
        for network in sorted(networks - supported):
            message = f"{url} does not settle on {network}."
            problems.append(problem("facilitator_unsuitable", message))
    return shown


@dataclass(slots=True)
class Health:
    """Looks at one deployment, from one isolate."""

    environment: Environment
    clock: Clock
    directory: TenantDirectory
    log: UsageRecorder
    access: Authorizer

    async def report(self) -> Mapping[str, Json]:
        """Say what is configured, what is wrong with it, and how the log fares."""
        problems = self._configuration_problems()
        directory = Directory({}, {}, ())
        try:
            directory = await self.directory.read_all()
        except ConfigurationError as error:
            problems.append(problem(error.code, error.message))
        except StoreUnavailable as error:
            problems.append(problem("store_unavailable", f"TENANT_KV cannot be read: {error}"))
        problems += [problem("directory_record_refused", str(error)) for error in directory.refused]
        tenants = [*directory.by_slug.values()]
        payments = await payment_report(self.environment, self.clock, tenants, problems)
        problems += self._missing_counters(tenants)
        notices = [problem(code, sentence) for code, sentence in self.access.notices]
        notices += [
            problem("cap_without_price", f"{slug} has a spendLimit, and no price at the edge.")
            for slug, tenant in directory.by_slug.items()
            if tenant.quota_limits != tenant.counted_limits
        ]
        stored = await self._stored_log(problems, notices)
        return {
            "healthy": not problems,
            "generatedAt": timestamp(self.clock.now_ms()),
            "problems": problems,
            "notices": notices,
            "bindings": self._bindings(),
            "access": self.access.report(),
            "directory": {
                "usable": len(directory.by_slug),
                "refused": [
                    {"record": error.record, "reasons": error.reasons}
                    for error in directory.refused
                ],
            },
            "payments": payments,
            "log": stored,
            "isolate": {"writer": self.log.writer, **self.log.report()},
        }

    def _bindings(self) -> Mapping[str, bool]:
        return {
            "USAGE_KV": self.environment.usage_store is not None,
            "TENANT_KV": self.environment.tenant_store is not None,
            "DISPATCHER": self.environment.namespace is not None,
            "CONTROL_DB": self.environment.control_database is not None,
            "QUOTAS": self.environment.quota_counters is not None,
        }

    def _configuration_problems(self) -> list[Mapping[str, str]]:
        problems = [
            problem(BindingMissing.code, BindingMissing(name).message)
            for name, bound in self._bindings().items()
            if not bound and name not in ("TENANT_KV", "CONTROL_DB", "QUOTAS")
        ]
        if self.environment.setting("CALLER_HASH_SECRET") is None:
            error = ConfigurationError("CALLER_HASH_SECRET", "No API can be called without it.")
            problems.append(problem(error.code, error.message))
        problems += [problem(ConfigurationError.code, mistake) for mistake in self.access.mistakes]
        try:
            upstream_of(self.environment)
        except ConfigurationError as error:
            problems.append(problem(error.code, error.message))
        return problems

    def _missing_counters(self, tenants: Sequence[Tenant]) -> Sequence[Mapping[str, str]]:
        """Name the bindings that limits of these tenants need and that are not there."""
        needed = {
            name
            for tenant in tenants
            if tenant.rate_limit is not None
            for name in tenant.rate_limit.bindings
            if self.environment.rate_counter(name) is None
        }
        counted = any(tenant.counted_limits != UNBOUNDED for tenant in tenants)
        if counted and self.environment.quota_counters is None:
            needed.add(QUOTAS_BINDING)
        return [
            problem(BindingMissing.code, BindingMissing(name).message) for name in sorted(needed)
        ]

    async def _stored_log(
        self, problems: list[Mapping[str, str]], notices: list[Mapping[str, str]]
    ) -> Mapping[str, Json]:
        store = self.environment.usage_store
        if store is None:
            return {}
        try:
            page = await store.list_page(keys.USAGE_PREFIX, None)
            late = await store.list_page(keys.LATE_PREFIX, None)
            values = await store.get_many([keys.PROGRESS, keys.DEMO])
            progress = decode_progress(values[keys.PROGRESS])
            now_minute = self.clock.now_ms() // MINUTE_MS
            overview = Overview(progress, page, late, now_minute)
            found = await compare(store, overview)
            oldest = await oldest_uncompacted(store, overview)
        except StoreUnavailable as error:
            problems.append(problem("store_unavailable", f"USAGE_KV cannot be read: {error}"))
            return {}
        invariants = invariants_of(overview, found, oldest, self.log.report())
        problems += [
            problem(
                "invariant_broken",
                f"{one.name} is {one.value}. {one.explanation} {one.remedy}",
            )
            for one in invariants
            if one.needs_someone
        ]
        if values[keys.DEMO] is not None:
            notices.append(problem("demo_data", f"Figures hold made-up history: {keys.DEMO}."))
        made = progress.made if progress else None
        return {
            "newestBatches": len(page.keys),
            "newestEvents": sum(_events_in(key.metadata) for key in page.keys),
            "olderBatches": page.cursor is not None,
            "compactedUntil": _shown(made),
            "oldestUncompacted": _shown(oldest),
            "backlogMinutes": None if made is None else max(0, now_minute - made),
            "lateBatches": len(late.keys),
            "compared": {
                "from": _shown(found.first),
                "to": _shown(found.end),
                "batches": found.batches,
            },
            "invariants": [_shown_invariant(one) for one in invariants],
        }


def _shown(minute: int | None) -> str | None:
    return None if minute is None else timestamp(minute * MINUTE_MS)


def _shown_invariant(one: Invariant) -> Mapping[str, Json]:
    is_zero = one.value == 0
    return {
        "name": one.name,
        "value": one.value,
        "expected": 0,
        "needsSomeone": one.needs_someone,
        "explanation": None if is_zero else one.explanation,
        "remedy": None if is_zero else one.remedy or None,
    }


def _events_in(metadata: Json) -> int:
    events = metadata.get("events") if isinstance(metadata, dict) else None
    return events if isinstance(events, int) else 0
