"""Finds the money of an old event, in whatever unit, and what may be money that is not read.

An amount that is not understood is never taken for 0: it is a reason to reject the event.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from core.ports import Json
from tenants.fields import usd_micros

REVENUE_NAMES: Mapping[str, Sequence[str]] = {
    "revenueUsd": ("revenueUsd", "settledUsd", "settledAmountUsd", "billedUsd", "amountUsd"),
    "revenueMicros": ("revenueMicros", "settledMicros", "billedMicros", "amountMicros"),
    "revenueCents": ("revenueCents", "settledCents", "billedCents", "amountCents"),
}
PRICE_NAMES: Mapping[str, Sequence[str]] = {
    "priceUsd": ("priceUsd", "price"),
    "priceMicros": ("priceMicros",),
    "priceCents": ("priceCents",),
}
"""The known names of an amount, by the field that has its unit."""

_CURRENCIES = frozenset(("USD", "USDC", "US$", "$", "DOLLAR", "DOLLARS", ""))
"""Currencies of which one is a dollar."""

_MICROS_PER_CENT = 10_000
_WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_MONEY_WORDS = (
    "amount balance bill billed cent charge charged commission cost credit debit dollar earned"
    " earning fare fee gross micro money net paid pay payable payment payout price refund refunded"
    " revenue settled settlement spend spent sum surcharge tax tip total usd usdc"
)
_MONEY = frozenset(_MONEY_WORDS.split())
"""Words of money in the names of fields."""

_OTHER_WORDS = (
    "address at attempt attempts block bytes calls chain code count date day digest events hash"
    " height hour id index latency ms network nonce number requests seconds seq sequence state"
    " status time timestamp token tokens tx type version window"
)
_OTHER = frozenset(_OTHER_WORDS.split())
"""Last words of names whose numbers are no amounts, as in `paymentId` and `totalRequests`."""

_AMOUNT = re.compile(r"[^\d\n]{0,8}(\d[\d.,_' ]*)[^\d\n]{0,8}", re.ASCII)
_MARKS = re.compile(r"\s*(?:US)?\$?\s*([0-9.]+)\s*(?:USDC?|\$)?\s*", re.IGNORECASE | re.ASCII)
_ITEMS_MAX = 100
"""Fields of an object that are looked at; an event has about twenty."""


def amount_micros(field: str, value: Json) -> int | None:
    """Return an amount in micro-dollars; None if it is not one, or not exactly so many.

    Args:
        field: The field that has its unit: a key of `REVENUE_NAMES` or `PRICE_NAMES`.
        value: A number or a text, which may have `$` or `USD`.
    """
    if field.endswith("Micros"):
        return int(value) if type(value) is int and value >= 0 else _whole(value)
    if type(value) is str:
        marked = _MARKS.fullmatch(value)
        value = marked[1] if marked else value
    micros = usd_micros(value)
    if micros is None or field.endswith("Usd"):
        return micros
    cents, rest = divmod(micros * _MICROS_PER_CENT, 1_000_000)
    return None if rest else cents


def undecided_money(event: Mapping[str, Json], decided: Collection[str] = ()) -> Sequence[str]:
    """Return a reason for each amount of an event that would be lost or read wrongly.

    Args:
        event: The event, with its own names.
        decided: Names of its fields that are not looked at, because their meaning is given.
    """
    own = {name: value for name, value in event.items() if name not in decided}
    reasons = [
        *_differing("revenue", REVENUE_NAMES, own, decided),
        *_differing("price", PRICE_NAMES, own, decided),
    ]
    unknown = [f"{path} ({shown})" for path, shown in _unknown_amounts(own)]
    if unknown:
        reasons.append(f"may be money, under a name that is not known: {', '.join(unknown)}")
    for name, value in own.items():
        if name.lower().endswith("currency") and str(value or "").strip().upper() not in (
            _CURRENCIES
        ):
            reasons.append(f"{name} is {str(value)[:20]!r}: only dollars can be imported")
    return reasons


def _differing(
    what: str,
    names: Mapping[str, Sequence[str]],
    event: Mapping[str, Json],
    decided: Collection[str],
) -> Iterator[str]:
    """Yield a reason if an amount is given several times, and not the same each time."""
    if any(name in decided for name in names):
        return
    found = {
        name: (amount_micros(field, event[name]), event[name])
        for field, aliases in names.items()
        for name in aliases
        if event.get(name) is not None
    }
    if len({micros for micros, _ in found.values()}) > 1:
        shown = ", ".join(f"{name} {str(value)[:40]}" for name, (_, value) in found.items())
        yield f"the {what} is given several times, and differs: {shown}"


def _unknown_amounts(event: Mapping[str, Json], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each amount above 0 whose field is not known."""
    for name, value in [*event.items()][:_ITEMS_MAX]:
        inner = f"{path}{name}"
        if isinstance(value, dict):
            yield from _unknown_amounts(value, f"{inner}.")
        elif isinstance(value, list):
            for one in value[:_ITEMS_MAX]:
                if isinstance(one, dict):
                    yield from _unknown_amounts(one, f"{inner}.")
        elif _is_amount(value) and is_money_name(inner) and (path or name not in _KNOWN):
            yield inner, str(value)[:40]


def is_money_name(path: str) -> bool:
    """Tell whether the name of a field, or of an object that it is in, speaks of money."""
    words = [word.lower() for word in _WORD.findall(path)]
    if not words or words[-1] in _OTHER:
        return False
    return any(word in _MONEY or word.removesuffix("s") in _MONEY for word in words)


def _is_amount(value: Json) -> bool:
    """Tell whether a value is a number other than 0, also as text such as `$1.50`."""
    if type(value) is str:
        found = _AMOUNT.fullmatch(value.strip())
        return found is not None and any(digit in "123456789" for digit in found[1])
    return isinstance(value, int | float) and type(value) is not bool and value != 0


def _whole(value: Json) -> int | None:
    is_digits = type(value) is str and value.isascii() and value.isdigit() and len(value) < 18
    return int(value) if is_digits else None


_KNOWN = frozenset(
    name for names in (REVENUE_NAMES, PRICE_NAMES) for aliases in names.values() for name in aliases
)
