"""Payment requirements: what a request to a priced API costs, in which token, and who is paid.

They are made from the tenant's record and the deployment's settings. There is no default
payee, network or token. `accepts_in_body` and the functions after it write them in the form of x402
version 2 or 1 (https://github.com/coinbase/x402, folder specs).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core.errors import ConfigurationError
from core.ports import Json, OutgoingEnvironment
from tenants.discovery import NOTHING_KNOWN, Discovery
from tenants.networks import (
    NETWORK_FORM,
    family_of,
    is_account,
    known_token,
    network_name_v1,
    normal_address,
    read_network,
)
from tenants.pricing import EXACT, PERMIT2, TRANSFER_METHOD, PaymentOption, token_units
from tenants.records import Tenant

PAYMENT_IDENTIFIER = "payment-identifier"
_DECIMALS = re.compile(r"[0-9]{1,2}", re.ASCII)
_DECIMALS_MAX = 30


@dataclass(frozen=True, slots=True)
class PaymentRequirements:
    """One way to pay for one request.

    `scheme` is `exact`, or `upto`, which is at most the price and is signed for Permit2.
    `network` is in CAIP-2 form, `amount` the price in the token's smallest unit,
    `amount_micros` what it counts as revenue, `decimals` those of the token, if known. On EVM
    networks `extra` has `name` and `version`, which identify the token in signatures (EIP-712). On
    Solana it has `feePayer`, and with `upto` `facilitatorAddress`, but only where a client or a
    facilitator gets it.
    """

    network: str
    asset: str
    amount: str
    amount_micros: int
    decimals: int | None
    pay_to: str
    max_timeout_seconds: int
    extra: Mapping[str, Json]
    scheme: str = EXACT

    @property
    def network_v1(self) -> str | None:
        """The network's name in x402 version 1; None if it cannot be paid in version 1."""
        is_in_v1 = self.scheme == EXACT and not self.is_permit2
        return network_name_v1(self.network) if is_in_v1 else None

    @property
    def is_permit2(self) -> bool:
        """Whether payers sign for Permit2 in place of the token (EIP-3009)."""
        return self.extra.get(TRANSFER_METHOD) == PERMIT2


@dataclass(frozen=True, slots=True)
class Resource:
    """What is paid for: its URL, method and description, how it is called, and its route's name.

    `template` is its path with `:name` for what varies, empty if nothing does. If it
    `needs_identifier`, a payment must have a `payment-identifier`. `page` is the address of the
    API's page for people, empty if it is at another host, whose name is not known.
    """

    url: str
    method: str
    description: str
    discovery: Discovery = NOTHING_KNOWN
    template: str = ""
    needs_identifier: bool = False
    route: str = ""
    page: str = ""


def requirements_for(
    environment: OutgoingEnvironment, tenant: Tenant
) -> Sequence[PaymentRequirements]:
    """Return the ways to pay a priced tenant, in the order of its record.

    Raises `ConfigurationError` with the name of the setting, or of the field of the tenant's
    record, that is missing or unusable.
    """
    found: list[PaymentRequirements] = []
    for index, option in enumerate(tenant.accepts):
        requirements = _requirements_of(environment, tenant, option)
        twin = next((one for one in found if _is_like(one, requirements)), None)
        if twin is not None:
            route = f", route {tenant.route.method} {tenant.route.path}," if tenant.route else ""
            raise ConfigurationError(
                "accepts",
                f"In the record of {tenant.slug}{route} accepts[{found.index(twin)}] and"
                f" accepts[{index}] ask for the same payment with this deployment's settings:"
                f" {requirements.amount} of {requirements.asset} on {requirements.network} to"
                f" {requirements.pay_to}. Remove one of them, or change one of these.",
            )
        found.append(requirements)
    return found


def deployment_network(environment: OutgoingEnvironment) -> str:
    """Return the network of `X402_NETWORK` in CAIP-2 form. Raises `ConfigurationError`."""
    text = _required(environment, "X402_NETWORK", "the network in CAIP-2 form, eip155:8453")
    network = read_network(text)
    if network is None:
        raise _unusable("X402_NETWORK", NETWORK_FORM)
    return network


def token_decimals(environment: OutgoingEnvironment, network: str, asset: str) -> int:
    """Return the decimals of the deployment's token. Raises `ConfigurationError`."""
    text = environment.setting("X402_ASSET_DECIMALS")
    token = known_token(network, asset)
    if text is None and token is not None:
        return token.decimals
    if text is None:
        raise ConfigurationError(
            "X402_ASSET_DECIMALS",
            f"The decimals of the token {asset} on {network} are not known."
            " Set it to what the contract's decimals() returns.",
        )
    if not _DECIMALS.fullmatch(text) or int(text) > _DECIMALS_MAX:
        raise _unusable("X402_ASSET_DECIMALS", f"a whole number from 0 to {_DECIMALS_MAX}")
    return int(text)


def _requirements_of(
    environment: OutgoingEnvironment, tenant: Tenant, option: PaymentOption
) -> PaymentRequirements:
    if not option.network:
        option = _with_deployment_token(environment, tenant, option)
    pay_to = (
        option.pay_to
        or tenant.pay_to
        or _required(
            environment, "PAY_TO_ADDRESS", "the address paid for APIs whose records have no payTo"
        )
    )
    family = family_of(option.network)
    if not family.is_account(pay_to):
        form = f"an address on {option.network}: {family.account_form}"
        if option.pay_to or tenant.pay_to:
            raise ConfigurationError("payTo", f"In the record of {tenant.slug} it must be {form}.")
        remedy = f"It must be {form}; or the records of APIs that are paid there need payTo."
        raise ConfigurationError("PAY_TO_ADDRESS", remedy)
    is_permit2 = option.extra.get(TRANSFER_METHOD) == PERMIT2
    if is_permit2 and not family.has_domain:
        raise ConfigurationError(
            "accepts",
            f"The scheme or transfer method in the record of {tenant.slug} is not supported on"
            f" {option.network}.",
        )
    # Permit2 has a domain of its own.
    has_domain = is_permit2 or not family.has_domain or {"name", "version"} <= option.extra.keys()
    if not has_domain:
        domain = _deployment_domain(environment, option)
        option = replace(option, extra={**domain, **option.extra})
    return PaymentRequirements(
        network=option.network,
        asset=option.asset,
        amount=option.amount or _amount(option),
        amount_micros=option.price_micros,
        decimals=option.decimals,
        pay_to=pay_to,
        max_timeout_seconds=option.max_timeout_seconds,
        extra=option.extra,
        scheme=option.scheme,
    )


def _with_deployment_token(
    environment: OutgoingEnvironment, tenant: Tenant, option: PaymentOption
) -> PaymentOption:
    """Return an option that names no network, with the deployment's network and token."""
    network = deployment_network(environment)
    wanted = tenant.payment_network
    if wanted and read_network(wanted) != network:
        raise ConfigurationError(
            "paymentNetwork",
            f"The record of {tenant.slug} demands payment on {wanted}; this deployment settles"
            f" on {network} (X402_NETWORK).",
        )
    asset = _required(environment, "X402_ASSET", "the address of the token's contract")
    if not is_account(network, asset):
        form = family_of(network).account_form
        raise _unusable("X402_ASSET", f"the address of the token's contract: {form}")
    decimals = token_decimals(environment, network, asset)
    return replace(option, network=network, asset=asset, decimals=decimals)


def _deployment_domain(
    environment: OutgoingEnvironment, option: PaymentOption
) -> Mapping[str, Json]:
    """Return the EIP-712 name and version of an option in the deployment's token."""
    asset = _required(environment, "X402_ASSET", "the address of the token's contract")
    network = deployment_network(environment)
    is_own = normal_address(network, option.asset) == normal_address(network, asset)
    if option.network != network or not is_own:
        raise ConfigurationError(
            "accepts", f"The entry with the token {option.asset} needs extra.name and version."
        )
    return {
        "name": _required(environment, "X402_ASSET_NAME", "the token's EIP-712 name, USDC"),
        "version": _required(environment, "X402_ASSET_VERSION", "its EIP-712 version, 2"),
    }


def _amount(option: PaymentOption) -> str:
    assert option.decimals is not None
    units = token_units(option.price_micros, option.decimals)
    if units is None:
        raise ConfigurationError(
            "priceUsd",
            f"The price has more decimal places than the token, which has {option.decimals}.",
        )
    return units


def _is_like(one: PaymentRequirements, other: PaymentRequirements) -> bool:
    """Tell whether a payment could be of either."""
    terms = [
        (
            each.network,
            normal_address(each.network, each.asset),
            each.amount,
            normal_address(each.network, each.pay_to),
            each.scheme,
            each.is_permit2,
        )
        for each in (one, other)
    ]
    return terms[0] == terms[1]


def _required(environment: OutgoingEnvironment, name: str, what: str) -> str:
    value = environment.setting(name)
    if value is None:
        raise ConfigurationError(name, f"Set it to {what}.")
    return value.strip()


def _unusable(name: str, what: str) -> ConfigurationError:
    return ConfigurationError(name, f"It must be {what}.")


def accepts_in_body(
    accepts: Sequence[PaymentRequirements], resource: Resource
) -> Mapping[str, Json]:
    """Return the x402 fields of a 402's body, which clients of version 1 read.

    Their payments name no token, so they are offered the first of each network.
    """
    named: dict[str, Json] = {}
    for one in accepts:
        if one.network_v1 is not None:
            named.setdefault(one.network_v1, accepts_entry_v1(one, resource))
    if not named:
        return {"x402Version": 2, "accepts": [accepts_entry(one) for one in accepts]}
    return {"x402Version": 1, "accepts": [*named.values()]}


def accepts_entry(requirements: PaymentRequirements) -> dict[str, Json]:
    """Return the requirements as an entry of `accepts` in version 2."""
    return {
        "scheme": requirements.scheme,
        "network": requirements.network,
        "amount": requirements.amount,
        "asset": requirements.asset,
        "payTo": requirements.pay_to,
        "maxTimeoutSeconds": requirements.max_timeout_seconds,
        "extra": requirements.extra,
    }


def accepts_entry_v1(requirements: PaymentRequirements, resource: Resource) -> dict[str, Json]:
    """Return the requirements, whose network must have a name, as an entry in version 1."""
    return {
        "scheme": EXACT,
        "network": requirements.network_v1,
        "maxAmountRequired": requirements.amount,
        "resource": resource.url,
        "description": resource.description,
        "mimeType": resource.discovery.mime_type,
        "payTo": requirements.pay_to,
        "maxTimeoutSeconds": requirements.max_timeout_seconds,
        "asset": requirements.asset,
        "extra": requirements.extra,
    }
