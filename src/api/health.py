"""The report of `GET /__platform/health`: configuration, problems, payments and the usage log.

A store or server that does not respond is a problem in the report, never an error response.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.auth import Authorizer
from api.explore.sources import upstream_of
from api.invariants import Invariant, invariants_of
from api.payment_health import PaymentHealth, Problem, problem
from core import keys
from core.calendar import DAY_MS, timestamp
from core.errors import (
    BindingMissing,
    ConfigurationError,
    ShardUnavailable,
    StoreUnavailable,
)
from core.listed_settings import LISTED_SETTINGS
from core.ports import Clock, Environment, Json, UsageShards
from core.quotas import UNBOUNDED
from tenants.admission import QUOTAS_BINDING
from tenants.directory import TenantDirectory
from tenants.records import Directory, Tenant
from usage import UsageRecorder

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
    payments: PaymentHealth

    async def report(self) -> Mapping[str, Json]:
        """Return the report, as docs/reference/health.md describes it."""
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
        payments = await self.payments.report(tenants, problems)
        problems += self._missing_counters(tenants)
        notices = [problem(code, sentence) for code, sentence in self.authorizer.notices]
        notices += [
            problem(
                "cap_without_price",
                f"{slug} has a spendLimit, which has no effect: no payments are taken for it.",
            )
            for slug, tenant in directory.by_slug.items()
            if not tenant.priced and tenant.quota_limits != tenant.counted_limits
        ]
        notices += [
            problem(
                "paid_without_price",
                f"{slug} has x402Enabled and no price above 0: every request is free.",
            )
            for slug, tenant in directory.by_slug.items()
            if tenant.x402_enabled and not tenant.priced
        ]
        notices += [
            problem(
                "unknown_record_field",
                f"{slug} has fields that are not known, and have no effect:"
                f" {', '.join(tenant.unknown_fields)}.",
            )
            for slug, tenant in directory.by_slug.items()
            if tenant.unknown_fields
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
            "USAGE_SHARD": self.environment.usage_shards is not None,
            "TENANT_KV": self.environment.tenant_store is not None,
            "DISPATCHER": self.environment.namespace is not None,
            "CONTROL_DB": self.environment.control_database is not None,
            "QUOTAS": self.environment.quota_counters is not None,
        }

    def _configuration_problems(self) -> list[Problem]:
        problems = [
            problem(BindingMissing.code, BindingMissing(name).message)
            for name, is_bound in self._bindings().items()
            if not is_bound and name not in _CONDITIONAL_BINDINGS
        ]
        if self.environment.setting("CALLER_HASH_SECRET") is None:
            error = ConfigurationError("CALLER_HASH_SECRET", "No API can be called without it.")
            problems.append(problem(error.code, error.message))
        problems += [
            problem(ConfigurationError.code, sentence) for sentence in self.authorizer.problems
        ]
        problems += [
            problem(ConfigurationError.code, sentence)
            for setting in LISTED_SETTINGS
            for sentence in setting.problems(self.environment)
        ]
        try:
            upstream_of(self.environment)
        except ConfigurationError as error:
            problems.append(problem(error.code, error.message))
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
        prices = [each for tenant in tenants for each in (tenant, *tenant.priced)]
        counted = any(each.counted_limits != UNBOUNDED for each in prices)
        if counted and self.environment.quota_counters is None:
            needed.add(QUOTAS_BINDING)
        return [
            problem(BindingMissing.code, BindingMissing(name).message) for name in sorted(needed)
        ]

    async def _log_report(
        self, problems: list[Problem], notices: list[Problem]
    ) -> Mapping[str, Json]:
        shards = self.environment.usage_shards
        await self._check_store(problems, notices)
        if shards is None:
            return {}
        reports = await asyncio.gather(
            *(_shard_report(shards, shard) for shard in range(shards.count))
        )
        invariants = invariants_of(reports, self.recorder.report(), self.clock.now_ms())
        problems += [
            problem(
                "invariant_broken",
                f"{invariant.name} is {invariant.value}. {invariant.explanation}"
                f" {invariant.remedy}",
            )
            for invariant in invariants
            if invariant.needs_someone
        ]
        return {
            "shards": [
                {"shard": number, "responds": report is not None, **_shown_shard(report)}
                for number, report in enumerate(reports)
            ],
            "invariants": [_shown_invariant(invariant) for invariant in invariants],
        }

    async def _check_store(self, problems: list[Problem], notices: list[Problem]) -> None:
        store = self.environment.usage_store
        if store is None:
            return
        try:
            values = await store.get_many([keys.DEMO_HISTORY])
        except StoreUnavailable as error:
            problems.append(problem("store_unavailable", f"USAGE_KV cannot be read: {error}"))
            return
        if values[keys.DEMO_HISTORY] is not None:
            message = f"The totals include generated demo history: {keys.DEMO_HISTORY}."
            notices.append(problem("demo_data", message))


async def _shard_report(shards: UsageShards, shard: int) -> Mapping[str, Json] | None:
    try:
        report: Mapping[str, Json] = json.loads(await shards.call(shard, "health", ""))
    except ShardUnavailable:
        return None
    return report


def _shown_shard(report: Mapping[str, Json] | None) -> Mapping[str, Json]:
    if report is None:
        return {}
    shown = {
        name: value for name, value in report.items() if name not in ("shard", "foldedUntilDay")
    }
    folded_until = report["foldedUntilDay"]
    return {
        **shown,
        "foldedUntil": _date(folded_until) if folded_until else None,
        "openParts": [_date(day) for day, _ in report["openParts"]],
        "damaged": list(report["damaged"].values()),
    }


def _date(day: int) -> str:
    return timestamp(day * DAY_MS)[:10]


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
