"""The report of `GET /__platform/health`: configuration, problems, payments and the usage log.

A store or server that does not respond is a problem in the report, never an error response.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.auth import Authorizer
from api.explore.sources import upstream_of
from api.invariants import Invariant, invariants_of, minute_timestamp
from core import keys
from core.calendar import MINUTE_MS, timestamp
from core.errors import (
    BindingMissing,
    ConfigurationError,
    DatabaseUnavailable,
    FetchFailed,
    StoreUnavailable,
)
from core.keys import parse_reconciled
from core.ports import Clock, Environment, Json
from core.quotas import UNBOUNDED
from metering.consistency import Overview, compare, oldest_uncompacted
from metering.state import decode_state
from payments.chain import RPC_SETTING
from payments.facilitator import Facilitators
from payments.ledger import Ledger
from payments.requirements import facilitator_urls, requirements_for
from tenants.admission import QUOTAS_BINDING
from tenants.directory import TenantDirectory
from tenants.records import Directory, Tenant
from usage import UsageRecorder

Problem = Mapping[str, str]
"""One entry of the report's `problems` or `notices`: `code` and `message`."""

_CONDITIONAL_BINDINGS = ("TENANT_KV", "CONTROL_DB", "QUOTAS")
"""Bindings that only some deployments need."""


@dataclass(slots=True)
class Health:
    """Reports on the deployment as one isolate sees it."""

    environment: Environment
    clock: Clock
    directory: TenantDirectory
    recorder: UsageRecorder
    authorizer: Authorizer

    async def report(self) -> Mapping[str, Json]:
        """Return the report, as docs/reference/health.md describes it."""
        problems = self._configuration_problems()
        directory = Directory({}, {}, ())
        try:
            directory = await self.directory.read_all()
        except ConfigurationError as error:
            problems.append(_problem(error.code, error.message))
        except StoreUnavailable as error:
            problems.append(_problem("store_unavailable", f"TENANT_KV cannot be read: {error}"))
        problems += [
            _problem("directory_record_refused", str(error)) for error in directory.refused
        ]
        tenants = [*directory.by_slug.values()]
        payments = await _payment_report(self.environment, self.clock, tenants, problems)
        problems += self._missing_counters(tenants)
        notices = [_problem(code, sentence) for code, sentence in self.authorizer.notices]
        notices += [
            _problem(
                "cap_without_price",
                f"{slug} has a spendLimit, which has no effect: no payments are taken for it.",
            )
            for slug, tenant in directory.by_slug.items()
            if tenant.quota_limits != tenant.counted_limits
        ]
        stored = await self._log_report(problems, notices)
        return {
            "healthy": not problems,
            "generatedAt": timestamp(self.clock.now_ms()),
            "problems": problems,
            "notices": notices,
            "bindings": self._bindings(),
            "access": self.authorizer.report(),
            "directory": {
                "usable": len(directory.by_slug),
                "refused": [
                    {"record": error.record, "reasons": error.reasons}
                    for error in directory.refused
                ],
            },
            "payments": payments,
            "log": stored,
            "isolate": {"writer": self.recorder.writer, **self.recorder.report()},
        }

    def _bindings(self) -> Mapping[str, bool]:
        return {
            "USAGE_KV": self.environment.usage_store is not None,
            "TENANT_KV": self.environment.tenant_store is not None,
            "DISPATCHER": self.environment.namespace is not None,
            "CONTROL_DB": self.environment.control_database is not None,
            "QUOTAS": self.environment.quota_counters is not None,
        }

    def _configuration_problems(self) -> list[Problem]:
        problems = [
            _problem(BindingMissing.code, BindingMissing(name).message)
            for name, is_bound in self._bindings().items()
            if not is_bound and name not in _CONDITIONAL_BINDINGS
        ]
        if self.environment.setting("CALLER_HASH_SECRET") is None:
            error = ConfigurationError("CALLER_HASH_SECRET", "No API can be called without it.")
            problems.append(_problem(error.code, error.message))
        problems += [
            _problem(ConfigurationError.code, sentence) for sentence in self.authorizer.problems
        ]
        try:
            upstream_of(self.environment)
        except ConfigurationError as error:
            problems.append(_problem(error.code, error.message))
        return problems

    def _missing_counters(self, tenants: Sequence[Tenant]) -> Sequence[Problem]:
        """Return the missing bindings that the limits of these tenants need, as problems."""
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
            _problem(BindingMissing.code, BindingMissing(name).message) for name in sorted(needed)
        ]

    async def _log_report(
        self, problems: list[Problem], notices: list[Problem]
    ) -> Mapping[str, Json]:
        store = self.environment.usage_store
        if store is None:
            return {}
        try:
            page = await store.list_page(keys.USAGE_PREFIX, None)
            late = await store.list_page(keys.LATE_PREFIX, None)
            values = await store.get_many([keys.COMPACTION_STATE, keys.DEMO_HISTORY])
            state = decode_state(values[keys.COMPACTION_STATE])
            now_minute = self.clock.now_ms() // MINUTE_MS
            overview = Overview(state, page, late, now_minute)
            comparison = await compare(store, overview)
            oldest = await oldest_uncompacted(store, overview)
        except StoreUnavailable as error:
            problems.append(_problem("store_unavailable", f"USAGE_KV cannot be read: {error}"))
            return {}
        invariants = invariants_of(overview, comparison, oldest, self.recorder.report())
        problems += [
            _problem(
                "invariant_broken",
                f"{invariant.name} is {invariant.value}. {invariant.explanation}"
                f" {invariant.remedy}",
            )
            for invariant in invariants
            if invariant.needs_someone
        ]
        if values[keys.DEMO_HISTORY] is not None:
            message = f"The totals include generated demo history: {keys.DEMO_HISTORY}."
            notices.append(_problem("demo_data", message))
        compacted_until = state.summarized_until if state else None
        return {
            "newestBatches": len(page.keys),
            "newestEvents": sum(_events_in(key.metadata) for key in page.keys),
            "olderBatches": page.cursor is not None,
            "compactedUntil": _optional_timestamp(compacted_until),
            "oldestUncompacted": _optional_timestamp(oldest),
            "backlogMinutes": None
            if compacted_until is None
            else max(0, now_minute - compacted_until),
            "lateBatches": len(late.keys),
            "compared": {
                "from": _optional_timestamp(comparison.first),
                "to": _optional_timestamp(comparison.end),
                "batches": comparison.batches,
            },
            "invariants": [_shown_invariant(invariant) for invariant in invariants],
        }


async def _payment_report(
    environment: Environment,
    clock: Clock,
    tenants: Sequence[Tenant],
    problems: list[Problem],
) -> Mapping[str, Json]:
    """Report on payments, and add to `problems` what prevents priced tenants from being paid."""
    priced = [tenant for tenant in tenants if tenant.is_priced]
    report: dict[str, Json] = {"pricedApis": len(priced)}
    if environment.control_database is not None:
        report |= await _ledger_report(environment, clock, problems)
    elif priced:
        problems.append(_problem(BindingMissing.code, BindingMissing("CONTROL_DB").message))
    networks = set()
    unusable: dict[str, Problem] = {}
    for tenant in priced:
        try:
            networks.add(requirements_for(environment, tenant).network)
        except ConfigurationError as error:
            # By message: a setting that several tenants need is one problem.
            unusable[error.message] = _problem(error.code, error.message)
    problems += unusable.values()
    if priced:
        report["facilitators"] = await _facilitator_report(environment, clock, networks, problems)
        report["chainEvidence"] = environment.setting(RPC_SETTING) is not None
    return report


async def _ledger_report(
    environment: Environment, clock: Clock, problems: list[Problem]
) -> Mapping[str, Json]:
    database, store = environment.control_database, environment.usage_store
    assert database is not None
    reconciled_ms = None
    try:
        oldest_ms, pending = await Ledger(database, clock).oldest_unresolved_ms()
        if store is not None:
            value = (await store.get_many([keys.RECONCILED_UNTIL]))[keys.RECONCILED_UNTIL]
            reconciled_ms = parse_reconciled(value)
    except DatabaseUnavailable as error:
        message = f"CONTROL_DB cannot be read. Check that its migrations are applied. {error}"
        problems.append(_problem("database_unavailable", message))
        return {}
    except StoreUnavailable as error:
        problems.append(_problem("store_unavailable", f"USAGE_KV cannot be read: {error}"))
        return {}
    return {
        "pending": pending,
        "unsettledSince": None if oldest_ms is None else timestamp(oldest_ms),
        "reconciledThrough": None if reconciled_ms is None else timestamp(reconciled_ms),
    }


async def _facilitator_report(
    environment: Environment,
    clock: Clock,
    networks: set[str],
    problems: list[Problem],
) -> Sequence[Mapping[str, Json]]:
    try:
        urls = facilitator_urls(environment)
    except ConfigurationError as error:
        problems.append(_problem(error.code, error.message))
        return []
    facilitators = Facilitators(environment, clock)
    shown: list[Mapping[str, Json]] = []
    for url in urls:
        try:
            kinds = await facilitators.supported(url)
        except FetchFailed as error:
            problems.append(_problem("facilitator_unavailable", f"{url}/supported: {error}"))
            shown.append({"url": url, "answers": False, "supports": []})
            continue
        supported = {kind.get("network") for kind in kinds if isinstance(kind, dict)}
        shown.append({"url": url, "answers": True, "supports": sorted(networks & supported)})
        for network in sorted(networks - supported):
            message = f"{url} does not settle on {network}."
            problems.append(_problem("facilitator_unsuitable", message))
    return shown


def _problem(code: str, message: str) -> Problem:
    return {"code": code, "message": message}


def _optional_timestamp(minute: int | None) -> str | None:
    return None if minute is None else minute_timestamp(minute)


def _shown_invariant(invariant: Invariant) -> Mapping[str, Json]:
    is_zero = invariant.value == 0
    return {
        "name": invariant.name,
        "value": invariant.value,
        "expected": 0,
        "needsSomeone": invariant.needs_someone,
        "explanation": None if is_zero else invariant.explanation,
        "remedy": None if is_zero else invariant.remedy or None,
    }


def _events_in(metadata: Json) -> int:
    events = metadata.get("events") if isinstance(metadata, dict) else None
    return events if isinstance(events, int) else 0
