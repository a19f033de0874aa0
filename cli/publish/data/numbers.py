"""Reads numbers as people and spreadsheets write them, without losing digits.

A text is first brought into plain form (`-1234.5`), which depends on the decimal sign of the file.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from cli.publish.data.table import INTEGER_MAX

_INTEGER = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
_NUMBER = re.compile(r"-?(?:(?:0|[1-9]\d*)(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)

SAFE_LENGTH: Final = 15
"""Decimal digits that a float always preserves."""

_SPACES = " \u00a0\u202f'\u2019"  # a Swiss apostrophe separates thousands as a space does
_LOCAL: Mapping[str, re.Pattern[str]] = {
    decimal: re.compile(
        r"(?P<open>\()?(?P<sign>[-\u2212])?"
        r"(?P<whole>0|[1-9]\d*"
        rf"|[1-9]\d{{0,2}}(?P<group>[{other}{_SPACES}])\d{{3}}(?:(?P=group)\d{{3}})*"
        # India groups the digits above the thousands by two.
        rf"|[1-9]\d?(?:{other}\d\d)+{other}\d{{3}})?"
        rf"(?:{point}(?P<fraction>\d+))?(?P<exponent>[eE][+-]?\d{{1,3}})?"
        r"(?P<trail>-)?(?P<close>\))?",
        re.ASCII,
    )
    for decimal, point, other in ((",", ",", r"\."), (".", r"\.", ","))
}

_CURRENCY = (
    r"(?:US|CA|AU|NZ|HK|S|R|C|A)?\$|[£¥฿¢\u20a0-\u20bf]|zł|Kč|kr\.?|Fr\.?|Rs\.?|"
    "USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|SGD|HKD|KRW|TRY|"
    "ILS|AED|SAR|THB"
)
_WITH_UNIT = re.compile(
    rf"(?P<open>[-\u2212(]?)(?:(?P<before>{_CURRENCY})\s*)?(?P<number>[^\s%\u2030][^%\u2030]*?)"
    rf"\s*(?P<after>{_CURRENCY}|[%\u2030])?(?P<close>\)?)"
)
_DIGITS = frozenset("0123456789")

RATIOS: Final = frozenset("%\u2030")
"""The signs that make a number another one: 50% is not 50."""


def plain(text: str, decimal: str | None) -> str | None:
    """Return the plain form of a number, such as `-1234.5` for `(1.234,50)`.

    Args:
        text: The text, without spaces around it.
        decimal: The decimal sign; `None` if numbers are in plain form already.

    Returns:
        The plain form, which may still not be a number; `None` if the text is none.
    """
    if decimal is None:
        return text
    found = _LOCAL[decimal].fullmatch(text)
    if found is None:
        return None
    is_enclosed = found["open"] is not None
    signs = (found["sign"], found["trail"], found["open"])
    if is_enclosed != (found["close"] is not None) or len(signs) - signs.count(None) > 1:
        return None
    whole, fraction = found["whole"], found["fraction"]
    if whole is None and fraction is None:
        return None
    digits = whole.replace(found["group"], "") if found["group"] else (whole or "0")
    digits = digits.replace(",", "").replace(".", "")
    sign = "-" if signs.count(None) < len(signs) else ""
    return f"{sign}{digits}{'.' + fraction if fraction else ''}{found['exponent'] or ''}"


def integer_of(text: str | None) -> int | None:
    """Return an integer in plain form; `None` for other texts, also for identifiers.

    Leading zeros mean an identifier, and so do integers that JavaScript does not preserve.
    """
    if text is None or not _INTEGER.fullmatch(text):
        return None
    value = int(text) if len(text) <= len(str(INTEGER_MAX)) + 1 else INTEGER_MAX + 1
    return value if abs(value) <= INTEGER_MAX else None


def number_of(text: str | None, *, rounds: bool = False) -> float | None:
    """Return a number in plain form; `None` for other texts.

    Args:
        text: The text.
        rounds: Whether digits may be lost that a float cannot hold.
    """
    if text is None or not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    if abs(value) == float("inf"):  # which JSON does not have
        return None
    if rounds or (len(text) <= SAFE_LENGTH and -INTEGER_MAX <= value <= INTEGER_MAX):
        return value
    is_large = abs(value) > INTEGER_MAX and _INTEGER.fullmatch(text)
    return None if is_large or Decimal(text) != Decimal(repr(value)) else value


def split_unit(text: str) -> tuple[str, str]:
    """Return the currency or percent sign of an amount, empty if there is none, and the rest."""
    if text[:1] in _DIGITS and text[-1:] in _DIGITS:
        return "", text
    found = _WITH_UNIT.fullmatch(text)
    if found is None or (found["before"] and found["after"]):
        return "", text
    unit = found["before"] or found["after"] or ""
    return (unit, f"{found['open']}{found['number']}{found['close']}") if unit else ("", text)
