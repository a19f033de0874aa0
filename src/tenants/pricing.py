"""The price of an API, and the ways to pay it: `priceUsd`, `payTo` and `accepts` of a record."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from core import constants
from core.ports import Json
from tenants.addresses import ADDRESS
from tenants.fields import RecordFields, usd_micros
from tenants.networks import (
    FAMILIES,
    NETWORK_FORM,
    Token,
    family_of,
    is_account,
    known_token,
    normal_address,
    read_network,
)

EXACT = "exact"
UPTO = "upto"
TRANSFER_METHOD = "assetTransferMethod"
PERMIT2 = "permit2"
_TRANSFER_METHODS = ("eip3009", PERMIT2)
_SET_BY_FACILITATOR = ("facilitatorAddress", "feePayer")
_ACCEPTS_MAX = 8
_ACCEPTS_LENGTH_MAX = 2_400
"""Characters of `accepts` as JSON: every 402 has it in a header."""

_TIMEOUT_SECONDS = range(10, 86_401)
_DECIMALS = range(31)
_MICRO_DECIMALS = 6
_AMOUNT = re.compile(r"[1-9][0-9]{0,77}", re.ASCII)
_ANY_ACCOUNT = ": 0x and 40 hexadecimal digits, or 32 bytes in base58 on Solana"
_OPTION_FIELDS = frozenset(
    (
        "amount",
        "asset",
        "decimals",
        "extra",
        "maxTimeoutSeconds",
        "network",
        "payTo",
        "priceUsd",
        "scheme",
    )
)


@dataclass(frozen=True, slots=True)
class PaymentOption:
    """One way to pay. What is empty or None follows from the deployment's settings.

    `network` is in CAIP-2 form. `amount` is in the token's smallest unit; if it is empty, it is
    worked out from `price_micros` and `decimals`. Revenue is counted as `price_micros`.
    """

    price_micros: int
    network: str = ""
    asset: str = ""
    amount: str = ""
    decimals: int | None = None
    pay_to: str = ""
    has_own_price: bool = False
    max_timeout_seconds: int = constants.PAYMENT_VALID_SECONDS
    extra: Mapping[str, Json] = field(default_factory=dict)
    scheme: str = EXACT


def parse_price(fields: RecordFields) -> int:
    """Read `priceUsd` in micro-dollars; 0 if it is missing, or invalid, which adds a reason."""
    value = fields.record.get("priceUsd")
    if value is None:
        return 0
    micros = usd_micros(value)
    if micros is None or micros > constants.PRICE_MICROS_MAX:
        fields.refuse("priceUsd", "an amount from 0 to 10000 with at most 6 decimals")
        return 0
    return micros


def parse_pay_to(fields: RecordFields) -> str:
    """Read `payTo`; empty if it is missing, or invalid, which adds a reason."""
    value = fields.record.get("payTo")
    if value is None:
        return ""
    if isinstance(value, str) and _is_on_any_network(value):
        return value
    expected = f"an address{_ANY_ACCOUNT}"
    if isinstance(value, str) and ADDRESS.fullmatch(value):
        expected = "an address whose letter case has the checksum of EIP-55, or all lower case"
    fields.refuse("payTo", expected)
    return ""


def parse_accepts(
    fields: RecordFields, price_micros: int, record_pay_to: str
) -> Sequence[PaymentOption]:
    """Read `accepts` of a record or a route whose price is `price_micros`.

    Without it, the only option is the deployment's token. `record_pay_to` is the payee of options
    that name none. An invalid one adds a reason.
    """
    given = fields.record.get("accepts")
    if given is None:
        return (PaymentOption(price_micros),)
    if not isinstance(given, list) or not 0 < len(given) <= _ACCEPTS_MAX:
        fields.refuse("accepts", f"a list of 1 to {_ACCEPTS_MAX} objects, one for each way to pay")
        return (PaymentOption(price_micros),)
    # JSON for clients: it has no numbers that are not finite.
    with suppress(ValueError):
        if len(json.dumps(given, allow_nan=False)) <= _ACCEPTS_LENGTH_MAX:
            return _parse_options(fields, given, price_micros, record_pay_to)
    expected = f"at most {_ACCEPTS_LENGTH_MAX} characters long as JSON, with finite numbers"
    fields.refuse("accepts", expected)
    return (PaymentOption(price_micros),)


def _parse_options(
    fields: RecordFields, given: Sequence[Json], price_micros: int, record_pay_to: str
) -> Sequence[PaymentOption]:
    options: list[PaymentOption] = []
    valid: dict[str, PaymentOption] = {}
    for index, entry in enumerate(given):
        name = fields.path(f"accepts[{index}]")
        if not isinstance(entry, dict):
            fields.reasons.append(f"{name} must be an object")
            continue
        mistakes = len(fields.reasons)
        part = fields.part(f"accepts[{index}]", entry)
        option = _parse_option(part, price_micros)
        if record_pay_to and entry.get("payTo") is None:
            option = _with_payee_of_record(part, option, record_pay_to)
        options.append(option)
        if len(fields.reasons) > mistakes:
            continue
        twin = next((other for other, one in valid.items() if _is_like(one, option)), None)
        if twin is not None:
            fields.reasons.append(
                f"{twin} and {name} ask for the same payment: {_shown_terms(option)}. Remove one"
                " of them, or change one of these"
            )
        valid[name] = option
    return options


def price_for_indexers(micros: int, accepts: Sequence[PaymentOption]) -> Mapping[str, Json]:
    """Return the field `price` of `x-payment-info` of a request with this price.

    Source: the specification in the npm package @agentcash/discovery 1.7.5.
    """
    amount = f"{micros / 10**_MICRO_DECIMALS:.6f}".rstrip("0").rstrip(".")
    if all(option.scheme == UPTO for option in accepts):
        return {"mode": "dynamic", "currency": "USD", "min": "0", "max": amount}
    return {"mode": "fixed", "currency": "USD", "amount": amount}


def token_units(micros: int, decimals: int) -> str | None:
    """Convert micro-dollars to a token's smallest unit; None if that is not a whole number."""
    units, remainder = divmod(micros * 10**decimals, 10**_MICRO_DECIMALS)
    return None if remainder else str(units)


def _parse_option(part: RecordFields, record_micros: int) -> PaymentOption:
    record = part.record
    part.refuse_others(_OPTION_FIELDS)
    network = _read_network(part)
    scheme = _read_scheme(part, network)
    asset, pay_to = _read_account(part, "asset", network), _read_account(part, "payTo", network)
    for name in ("asset", "decimals"):
        if record.get(name) is not None and record.get("network") is None:
            part.refuse("network", f"set together with {name}, which is of a token of one network")
    token = known_token(network, asset)
    if network and not asset and token is None:
        part.refuse("asset", f"the token's contract, because no token of {network} is known")
    extra = _read_extra(part, scheme, network)
    has_price = record.get("priceUsd") is not None
    micros = parse_price(part) if has_price else record_micros
    if has_price and not micros:
        part.refuse("priceUsd", "above 0: a route with price 0 is free")
    option = PaymentOption(
        price_micros=micros,
        network=network,
        asset=asset or (token.asset if token else ""),
        amount=_read_amount(part, record_micros, has_price=has_price),
        decimals=_read_decimals(part, token),
        pay_to=pay_to,
        has_own_price=has_price or "amount" in record,
        max_timeout_seconds=_read_timeout(part),
        extra={**(token.domain if token else {}), **extra},
        scheme=scheme,
    )
    check_units(part, option)
    return option


def _read_network(part: RecordFields) -> str:
    value = part.record.get("network")
    if value is None:
        return ""
    network = read_network(value) if isinstance(value, str) else None
    if network is None:
        part.refuse("network", NETWORK_FORM)
    return network or ""


def _read_scheme(part: RecordFields, network: str) -> str:
    scheme = part.record.get("scheme", EXACT)
    if scheme not in (EXACT, UPTO):
        part.refuse("scheme", f"{EXACT!r} or {UPTO!r}, which this dispatcher settles")
        return EXACT
    if scheme == UPTO and network and not family_of(network).has_domain:
        part.refuse("scheme", f"{EXACT!r}: {UPTO!r} is not supported on {network}")
    return str(scheme)


def _read_account(part: RecordFields, name: str, network: str) -> str:
    """Read an address of an account or a contract, in the form of its network."""
    value = part.record.get(name)
    if value is None:
        return ""
    is_valid = isinstance(value, str) and (
        is_account(network, value) if network else _is_on_any_network(value)
    )
    if not is_valid:
        where = f" on {network}: {family_of(network).account_form}" if network else _ANY_ACCOUNT
        part.refuse(name, f"an address{where}")
        return ""
    return str(value)


def _is_on_any_network(address: str) -> bool:
    """Tell whether it is an address on some network: which is the deployment's is not known."""
    return any(family.is_account(address) for family in FAMILIES)


def _with_payee_of_record(part: RecordFields, option: PaymentOption, pay_to: str) -> PaymentOption:
    """Return an option that names no payee with that of the record, which must fit its network."""
    if option.network and not is_account(option.network, pay_to):
        expected = f"an address on {option.network}: the record's payTo {pay_to} is none"
        part.refuse("payTo", expected)
    return replace(option, pay_to=pay_to)


def _read_amount(part: RecordFields, record_micros: int, *, has_price: bool) -> str:
    value = part.record.get("amount")
    if value is None:
        return ""
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
        part.refuse("amount", "a whole number above 0 of the token's smallest unit, as text")
        return ""
    if has_price:
        part.refuse("amount", "left out, or priceUsd: they may contradict each other")
    elif not record_micros:
        part.refuse("amount", "beside a priceUsd above it, as which revenue is counted")
    return text


def _read_decimals(part: RecordFields, token: Token | None) -> int | None:
    value = part.record.get("decimals")
    if value is None:
        return None if token is None else token.decimals
    if type(value) is not int or value not in _DECIMALS:
        part.refuse("decimals", f"a whole number from 0 to {_DECIMALS[-1]}")
        return None
    if token is not None and token.decimals != value:
        part.refuse("decimals", f"{token.decimals}, which the contract has")
    return value


def _read_timeout(part: RecordFields) -> int:
    value = part.record.get("maxTimeoutSeconds", constants.PAYMENT_VALID_SECONDS)
    if type(value) is not int or value not in _TIMEOUT_SECONDS:
        first, last = _TIMEOUT_SECONDS[0], _TIMEOUT_SECONDS[-1]
        part.refuse("maxTimeoutSeconds", f"a whole number from {first} to {last}")
        return constants.PAYMENT_VALID_SECONDS
    return value


def _read_extra(part: RecordFields, scheme: str, network: str) -> Mapping[str, Json]:
    extra = part.record.get("extra", {})
    if not isinstance(extra, dict):
        part.refuse("extra", "an object such as {name, version}: the token's EIP-712 domain")
        return {}
    for name in ("name", "version"):
        if name in extra and (not isinstance(extra[name], str) or not extra[name]):
            part.refuse("extra", f"an object whose {name} is text")
    for name in _SET_BY_FACILITATOR:
        if name in extra:
            part.refuse("extra", f"without {name}, which the facilitator sets")
    if scheme == UPTO:
        extra = {TRANSFER_METHOD: PERMIT2, **extra}
    method = extra.get(TRANSFER_METHOD, _TRANSFER_METHODS[0])
    if method not in _TRANSFER_METHODS or (scheme == UPTO and method != PERMIT2):
        part.refuse("extra", f"an object whose {TRANSFER_METHOD} is {PERMIT2!r}, or has none")
    elif method == PERMIT2 and network and not family_of(network).has_domain:
        part.refuse("extra", f"without {TRANSFER_METHOD}, which {network} does not have")
    return extra


def check_units(part: RecordFields, option: PaymentOption) -> None:
    """Check that the price can be paid in the option's token, as far as the record says."""
    if option.amount or not option.network:
        return
    if option.decimals is None:
        if option.asset:
            part.refuse("decimals", "what the contract's decimals() returns: the token is unknown")
    elif token_units(option.price_micros, option.decimals) is None:
        part.refuse("priceUsd", f"a price with at most {option.decimals} decimals, as its token")


def _is_like(one: PaymentOption, other: PaymentOption) -> bool:
    """Tell whether a payment could be of either option."""
    return _terms_of(one) == _terms_of(other)


def _terms_of(option: PaymentOption) -> tuple[str | None, ...]:
    """Return what a payment says of an option, as far as the record does."""
    network = option.network
    units = option.amount or (
        str(option.price_micros)
        if option.decimals is None
        else token_units(option.price_micros, option.decimals)
    )
    asset, pay_to = (normal_address(network, each) for each in (option.asset, option.pay_to))
    return network, asset, units, pay_to, option.scheme, str(option.extra.get(TRANSFER_METHOD))


def _shown_terms(option: PaymentOption) -> str:
    """Return what makes an option the same as another, as text."""
    network, asset, _, pay_to, scheme, _ = _terms_of(option)
    method = option.extra.get(TRANSFER_METHOD)
    terms = [
        f"network {network}" if network else "the deployment's network",
        f"asset {asset}" if asset else "its token",
        f"amount {option.amount}" if option.amount else f"price ${option.price_micros / 1e6:f}",
        f"payTo {pay_to}" if pay_to else "the deployment's payee",
        f"scheme {scheme}" if method is None else f"scheme {scheme} with {method}",
    ]
    return ", ".join(terms)
