"""Whether priced APIs can be paid: settings, ledger, facilitators and what is pending.

Owns the part of the health report that is about payments. Whatever cannot be
looked at is a problem in the answer, never an error of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keys
from chain import RPC_SETTING
from errors import (
    BindingMissing,
    ConfigurationError,
    DatabaseUnavailable,
    FetchFailed,
    StoreUnavailable,
)
from facilitators import Facilitators
from ledger import Ledger
from ports import Clock, Environment, Json
from pricing import facilitator_urls, offer_for
from progress import read_reconciled
from tenants import Tenant


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
        since_ms, pending = await Ledger(database, clock).unsure_since_ms()
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
        "unsettledSince": None if since_ms is None else keys.timestamp(since_ms),
        "reconciledThrough": None if through is None else keys.timestamp(through),
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
