"""Allowances: how often an API may be called, and for how much, as its record says.

Owns reading `rateLimit`, `usageLimit` and `spendLimit`, and which rate-limit
bindings stand for a rate. Refuses to count: that is for `admission`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core import constants
from core.ports import Json
from core.quotas import QuotaLimits
from tenants.fields import RecordFields, usd_micros


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many requests one caller may send in any window of 10 or 60 seconds."""

    requests: int
    window_seconds: int

    @property
    def bindings(self) -> Sequence[str]:
        """The rate-limit bindings that allow so many together, the largest first.

        A binding's limit is fixed when the Worker is deployed. There is one for
        each power of two, and those in the sum that makes up `requests` are the
        ones that a caller of this API may use up.
        """
        return [
            f"RATE_{self.window_seconds}S_{1 << bit}"
            for bit in reversed(range(self.requests.bit_length()))
            if self.requests >> bit & 1
        ]


def parse_rate_limit(fields: RecordFields) -> RateLimit | None:
    """Read `rateLimit`; None when there is none, or none that can be used, which is noted."""
    given = fields.record.get("rateLimit")
    if given is None:
        return None
    if isinstance(given, dict):
        requests: Json = given.get("requests")
        seconds: Json = given.get("windowSeconds")
        is_window = type(seconds) is int and seconds in constants.RATE_WINDOWS_SECONDS
        if is_window and _is_count(requests, constants.RATE_REQUESTS_MAX):
            return RateLimit(requests, seconds)
    windows = " or ".join(map(str, constants.RATE_WINDOWS_SECONDS))
    fields.refuse(
        "rateLimit",
        f"{{requests, windowSeconds}}: requests a whole number from 1 to"
        f" {constants.RATE_REQUESTS_MAX}, windowSeconds {windows}",
    )
    return None


def parse_bounds(fields: RecordFields, price_micros: int) -> QuotaLimits:
    """Read `usageLimit` and `spendLimit`; what cannot be used is noted and bounds nothing."""
    daily, monthly = _parse_usage(fields)
    daily_micros, monthly_micros = _parse_spend(fields, price_micros)
    return QuotaLimits(monthly, daily, monthly_micros, daily_micros)


def _parse_usage(fields: RecordFields) -> tuple[int | None, int | None]:
    names = ("dailyRequests", "monthlyRequests")
    values = _pair(fields, "usageLimit", names)
    if values is None:
        return None, None
    if all(value is None or _is_count(value, constants.QUOTA_REQUESTS_MAX) for value in values):
        return values
    demand = f"whole numbers from 1 to {constants.QUOTA_REQUESTS_MAX}"
    fields.refuse("usageLimit", f"dailyRequests or monthlyRequests or both, {demand}")
    return None, None


def _parse_spend(fields: RecordFields, price_micros: int) -> tuple[int | None, int | None]:
    names = ("dailySpendUsd", "monthlySpendUsd")
    values = _pair(fields, "spendLimit", names)
    if values is None:
        return None, None
    micros = [None if value is None else usd_micros(value) or 0 for value in values]
    if any(amount == 0 for amount in micros):
        demand = "amounts above 0 and below 10000000 with at most 6 decimals"
        fields.refuse("spendLimit", f"dailySpendUsd or monthlySpendUsd or both, {demand}")
        return None, None
    if any(amount is not None and amount < price_micros for amount in micros):
        fields.refuse("spendLimit", "at least priceUsd, or no request could ever be paid for")
        return None, None
    return micros[0], micros[1]


def _pair(
    fields: RecordFields, field_name: str, names: tuple[str, str]
) -> tuple[Json, Json] | None:
    given = fields.record.get(field_name)
    if given is None:
        return None
    first, second = (given.get(name) if isinstance(given, dict) else None for name in names)
    if first is None and second is None:
        fields.refuse(field_name, f"an object with {names[0]} or {names[1]} or both")
        return None
    return first, second


def _is_count(value: Json, largest: int) -> bool:
    return type(value) is int and 1 <= value <= largest
