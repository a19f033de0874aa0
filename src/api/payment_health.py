"""The payments in the health report: the ledger, facilitators, and what prevents payments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.calendar import timestamp
from core.errors import BindingMissing, ConfigurationError, DatabaseUnavailable, FetchFailed
from core.ports import Clock, Environment, Json
from payments.facilitator import Facilitators
from payments.ledger import Ledger
from payments.node import RPC_SETTING
from payments.requirements import facilitator_urls, requirements_for
from tenants.records import Tenant

Problem = Mapping[str, str]
"""One entry of the report's `problems` or `notices`: `code` and `message`."""


def problem(code: str, message: str) -> Problem:
    """Make one entry of `problems` or `notices`."""
    return {"code": code, "message": message}


async def payment_report(
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
        problems.append(problem(BindingMissing.code, BindingMissing("CONTROL_DB").message))
    networks = set()
    unusable: dict[str, Problem] = {}
    for tenant in priced:
        try:
            networks.add(requirements_for(environment, tenant).network)
        except ConfigurationError as error:
            # By message: a setting that several tenants need is one problem.
            unusable[error.message] = problem(error.code, error.message)
    problems += unusable.values()
    if priced:
        report["facilitators"] = await _facilitator_report(environment, clock, networks, problems)
        report["chainEvidence"] = environment.setting(RPC_SETTING) is not None
    return report


async def _ledger_report(
    environment: Environment, clock: Clock, problems: list[Problem]
) -> Mapping[str, Json]:
    database = environment.control_database
    assert database is not None
    try:
        oldest_ms, pending = await Ledger(database, clock).oldest_unresolved_ms()
    except DatabaseUnavailable as error:
        message = f"CONTROL_DB cannot be read. Check that its migrations are applied. {error}"
        problems.append(problem("database_unavailable", message))
        return {}
    return {
        "pending": pending,
        "unsettledSince": None if oldest_ms is None else timestamp(oldest_ms),
        "reconciledThrough": timestamp(clock.now_ms() if oldest_ms is None else oldest_ms),
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
