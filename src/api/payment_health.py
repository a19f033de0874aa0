"""The payments in the health report: the ledger, facilitators, and what prevents payments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core import constants
from core.calendar import timestamp
from core.errors import BindingMissing, ConfigurationError, DatabaseUnavailable, FetchFailed
from core.ports import Clock, Environment, Json
from payments.chain.families import chain_family
from payments.chain.fee_payers import fee_payer_field, fee_payer_in
from payments.chain.node import RPC_SETTING, Node, check_node_networks, node_url
from payments.facilitator import Facilitators
from payments.facilitator_settings import facilitator_urls
from payments.ledger import Ledger
from payments.ledger_reports import open_payments
from payments.requirements import PaymentRequirements, requirements_for
from tenants.networks import normal_address
from tenants.pricing import EXACT, UPTO
from tenants.records import Tenant

Problem = Mapping[str, str]
"""One entry of the report's `problems` or `notices`: `code` and `message`."""

PaymentTerms = tuple[str, str, bool]
"""A network, the address of a token on it, and whether it is paid with Permit2."""

SETTINGS = ("X402_ASSET", "X402_ASSET_DECIMALS", "X402_ASSET_NAME", "X402_ASSET_VERSION")
"""What sets the address, decimals, name and version of the deployment's token."""

_RECORD_FIELDS = tuple(f"accepts: {name}" for name in ("asset", "decimals", "name", "version"))
"""The same of a token in a record."""

_TOKENS_MAX = 4
"""Tokens that one report compares with their contracts."""


_PROBLEMS_MAX = 20
"""Payments that are named because cron could not process them."""


def problem(code: str, message: str) -> Problem:
    """Make one entry of `problems` or `notices`."""
    return {"code": code, "message": message}


@dataclass(slots=True)
class PaymentHealth:
    """Reports on the payments of one isolate."""

    environment: Environment
    clock: Clock
    facilitators: Facilitators
    _tokens_checked: dict[PaymentTerms, int] = field(default_factory=dict)
    """When a token was found to be as configured, in milliseconds."""

    async def report(
        self, tenants: Sequence[Tenant], problems: list[Problem]
    ) -> Mapping[str, Json]:
        """Return the report on payments.

        Adds to `problems` what prevents priced tenants from being paid.
        """
        priced = [each for tenant in tenants for each in tenant.priced]
        report: dict[str, Json] = {"pricedApis": len({tenant.slug for tenant in priced})}
        if self.environment.control_database is not None:
            report |= await _ledger_report(self.environment, self.clock, problems)
        elif priced:
            problems.append(problem(BindingMissing.code, BindingMissing("CONTROL_DB").message))
        found: dict[PaymentTerms, PaymentRequirements] = {}
        ways: set[tuple[str, str]] = set()
        unusable: dict[str, Problem] = {}
        for tenant in priced:
            try:
                accepts = requirements_for(self.environment, tenant)
            except ConfigurationError as error:
                # By message: a setting that several tenants need is one problem.
                unusable[error.message] = problem(error.code, error.message)
            else:
                for one in accepts:
                    asset = normal_address(one.network, one.asset)
                    found.setdefault((one.network, asset, one.is_permit2), one)
                    ways.add((one.network, one.scheme))
        problems += unusable.values()
        try:
            check_node_networks(self.environment.setting(RPC_SETTING) or "")
        except ConfigurationError as error:
            problems.append(problem(error.code, error.message))
        if priced:
            report["facilitators"] = await self._facilitator_report(ways, problems)
            report["chainEvidence"] = self.environment.setting(RPC_SETTING) is not None
            for terms, requirements in [*found.items()][:_TOKENS_MAX]:
                await self._check_token(terms, requirements, problems)
        return report

    async def _check_token(
        self, terms: PaymentTerms, requirements: PaymentRequirements, problems: list[Problem]
    ) -> None:
        """Compare the node's chain and the token with the settings, if there is a node."""
        since_ms = self._tokens_checked.get(terms)
        now_ms = self.clock.now_ms()
        if since_ms is not None and now_ms - since_ms < constants.CHAIN_CACHE_SECONDS * 1000:
            return
        try:
            url = node_url(self.environment, requirements.network)
            if url is None:
                return
            node = Node(self.environment, self.clock, url)
            family = chain_family(requirements.network)
            await family.check_chain(node, requirements.network)
        except ConfigurationError as error:
            problems.append(problem(error.code, error.message))
            return
        except FetchFailed as error:
            message = f"The setting {RPC_SETTING} is unusable, so nothing is proven: {error}."
            problems.append(problem("node_unusable", message))
            return
        is_own = (self.environment.setting("X402_ASSET") or "").strip() == requirements.asset
        labels = SETTINGS if is_own else _RECORD_FIELDS
        wrong = await family.token_differences(node, requirements, labels)
        problems += [problem("token_unlike_settings", sentence) for sentence in wrong]
        if not wrong:
            self._tokens_checked[terms] = now_ms

    async def _facilitator_report(
        self, ways: set[tuple[str, str]], problems: list[Problem]
    ) -> Sequence[Mapping[str, Json]]:
        """Return what each facilitator supports of `ways`, which are networks with schemes."""
        try:
            urls = facilitator_urls(self.environment)
        except ConfigurationError as error:
            problems.append(problem(error.code, error.message))
            return []
        shown: list[Mapping[str, Json]] = []
        unsettled, answering = set(ways), []
        for url in urls:
            circuit = self._shown_circuit(url)
            try:
                kinds = await self.facilitators.supported(url)
            except (FetchFailed, ConfigurationError) as error:
                problems.append(problem("facilitator_unavailable", f"{url}/supported: {error}"))
                shown.append({"url": url, "answers": False, "supports": [], "circuit": circuit})
                continue
            supported = {
                (network, scheme)
                for scheme in (EXACT, UPTO)
                for network in settled_networks(kinds, scheme)
            }
            settles = sorted({network for network, _ in ways & supported})
            shown.append({"url": url, "answers": True, "supports": settles, "circuit": circuit})
            unsettled -= supported
            answering.append(url)
        for url in answering:
            for network, scheme in sorted(unsettled):
                name = fee_payer_field(network, scheme)
                suffix = f", or names no {name} for it" if name else ""
                message = f"{url} does not settle the scheme {scheme} on {network}{suffix}."
                problems.append(problem("facilitator_unsuitable", message))
        return shown

    def _shown_circuit(self, url: str) -> Mapping[str, Json]:
        """Describe the failures of a facilitator in this isolate."""
        circuit = self.facilitators.circuit(url)
        is_open = circuit.open_until_ms > self.clock.now_ms()
        return {
            "state": "open" if is_open else "closed",
            "failures": circuit.failures,
            "openUntil": timestamp(circuit.open_until_ms) if is_open else None,
            "cause": circuit.cause or None,
        }


def settled_networks(kinds: Sequence[Json], scheme: str = EXACT) -> set[str]:
    """Return the networks on which a facilitator settles a scheme, from its list of kinds.

    Malformed kinds are skipped, and those without the fee payer that their network needs.
    """
    usable = [kind for kind in kinds if isinstance(kind, dict) and kind.get("scheme") == scheme]
    networks = {kind["network"] for kind in usable if isinstance(kind.get("network"), str)}
    return {
        network
        for network in networks
        if not fee_payer_field(network, scheme) or fee_payer_in(kinds, network, scheme)
    }


async def _ledger_report(
    environment: Environment, clock: Clock, problems: list[Problem]
) -> Mapping[str, Json]:
    database = environment.control_database
    assert database is not None
    try:
        found = await open_payments(Ledger(database, clock), _PROBLEMS_MAX)
    except DatabaseUnavailable as error:
        message = f"CONTROL_DB cannot be read. Check that its migrations are applied. {error}"
        problems.append(problem("database_unavailable", message))
        return {}
    problems += [
        problem("payment_not_processed", f"Cron could not process payment {payment_id}: {text}")
        for payment_id, text in found.problems.items()
    ]
    since_ms = found.since_ms
    return {
        "pending": found.pending,
        "unsettledSince": None if since_ms is None else timestamp(since_ms),
        "reconciledThrough": timestamp(clock.now_ms() if since_ms is None else since_ms),
    }
