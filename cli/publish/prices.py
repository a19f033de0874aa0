"""What an API costs, as text, and what a publication changes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.errors import RecordRefused
from tenants.pricing import PaymentOption
from tenants.records import Tenant, parse_tenant
from tenants.routes import ANY_METHOD, Route

FREE: Final = "free"
_MICROS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A price that changes.

    Args:
        what: Which price: `price`, or of which route.
        before: The price now, as text.
        after: The price afterwards.
    """

    what: str
    before: str
    after: str


def prices(tenant: Tenant) -> dict[str, str]:
    """Return the prices of an API as texts, by what they are for.

    That of the record is `price`; routes are listed if their price differs, and all free ones
    together as `free`.

    Args:
        tenant: The API.
    """
    base = _price(tenant)
    found = {"price": base}
    if tenant.x402_enabled:
        for at in tenant.priced:
            if at.route is not None and _price(at) != base:
                found[f"price of {_name(at.route)}"] = _price(at)
        if base != FREE:
            free = [_name(route) for route in tenant.routes if not route.price_micros]
            found |= {FREE: ", ".join(free)} if free else {}
    return found


def price_changes(record: Mapping[str, Any], tenant: Tenant) -> list[PriceChange]:
    """Return the prices that a publication changes.

    Args:
        record: The published record, valid or not; empty for a new API.
        tenant: The API as it will be.
    """
    if not record:
        return []
    try:
        before = prices(parse_tenant(dict(record), "record"))
    except RecordRefused:
        # Until now it could not be called, so no other price was ever paid.
        return []
    after = prices(tenant)
    return [
        PriceChange(what, _at(before, what), _at(after, what))
        for what in {**after, **before}
        if _at(before, what) != _at(after, what)
        # What describes an API that is free is free as well.
        and (what != FREE or FREE not in (before["price"], after["price"]))
    ]


def dollars(micros: int) -> str:
    """Return micro-dollars as dollars, such as `$0.001`."""
    text = f"{micros / _MICROS:.6f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"${whole}.{decimals:0<2}"


def _at(shown: Mapping[str, str], what: str) -> str:
    return shown.get(what, "nothing" if what == FREE else shown["price"])


def _name(route: Route) -> str:
    return route.path if route.method == ANY_METHOD else route.name


def _price(tenant: Tenant) -> str:
    if not tenant.price_micros:
        return FREE
    if not tenant.x402_enabled:
        return f"{dollars(tenant.price_micros)}, listed only: payment is not required (--no-x402)"
    ways = [_way(option) for option in tenant.accepts if option.has_own_price or option.amount]
    if ways:
        return " or ".join(dict.fromkeys(ways))
    at_most = "at most " if any(option.scheme == "upto" for option in tenant.accepts) else ""
    return f"{at_most}{dollars(tenant.price_micros)} a request"


def _way(option: PaymentOption) -> str:
    network = f" on {option.network}" if option.network else ""
    if option.amount:
        return f"{option.amount} units of {option.asset or 'the token'}{network} a request"
    return f"{dollars(option.price_micros)}{network} a request"
