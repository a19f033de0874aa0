"""Reads how much of a payment the script wants, where a payment allows less than was signed.

The script says so in the header that the official servers use, `Settlement-Overrides`, whose value
is JSON: `{"amount": "1500"}` in the token's smallest unit, `{"amount": "$0.0015"}`, or
`{"amount": "15%"}` of what was signed. Without the header, all of it is charged, as by them. They
charge all of it as well if the header is malformed; here it is an error, because the script meant
something else.

Source: the npm packages @x402/core and @x402/hono 2.27.0.
"""

from __future__ import annotations

import json
import re

from core import constants
from core.errors import DataError
from core.safe_json import read_json
from payments.models import Charge, PaymentRow
from tenants.fields import usd_micros

_UNITS = re.compile(r"[0-9]{1,78}", re.ASCII)
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{0,2}))?%", re.ASCII)
_HUNDRED_PERCENT = 10_000
"""In hundredths of a percent, of which an amount may have no parts."""


class ChargeUnusable(DataError):
    """The script's header does not say an amount up to what was signed."""


def read_charge(row: PaymentRow, header: str | None) -> Charge:
    """Return what a script charges of a payment; an amount of 0 charges nothing.

    `header` is the value of `Settlement-Overrides`, None without it. Dollars and percent are
    rounded down to whole units. Raises `ChargeUnusable`.
    """
    if header is None:
        return Charge(row.amount, row.amount_micros)
    signed = int(row.amount)
    units = _units(header, signed, row.amount_micros)
    if units > signed:
        raise ChargeUnusable(f"it asks for {units}; at most {signed} was signed")
    # Rounded up, so that what is settled always has revenue. It never exceeds the price.
    micros = -(-row.amount_micros * units // signed)
    return Charge(str(units), micros)


def _units(header: str, signed: int, price_micros: int) -> int:
    try:
        document = read_json(header)
    except ValueError as error:
        raise ChargeUnusable("it is not JSON") from error
    amount = document.get("amount") if isinstance(document, dict) else None
    if type(amount) is int:
        amount = str(amount)
    if isinstance(amount, str):
        if _UNITS.fullmatch(amount):
            return int(amount)
        percent = _PERCENT.fullmatch(amount)
        if percent is not None:
            hundredths = int(percent[1]) * 100 + int((percent[2] or "").ljust(2, "0"))
            return signed * hundredths // _HUNDRED_PERCENT
        micros = usd_micros(amount[1:]) if amount.startswith("$") else None
        if micros is not None:
            return signed * micros // price_micros
    shown = json.dumps(amount)[: constants.ECHOED_VALUE_LENGTH_MAX]
    raise ChargeUnusable(f"its amount is neither whole units, nor dollars, nor percent: {shown}")
