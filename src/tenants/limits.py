"""Parses the fields `rateLimit`, `usageLimit` and `spendLimit` of a directory record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core import constants
from core.ports import Json
from core.quotas import QuotaLimits
from tenants.fields import RecordFields, usd_micros


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many requests one caller may send in a window of 10 or 60 seconds."""

    requests: int
    window_seconds: int

    @property
    def bindings(self) -> Sequence[str]:
        """The rate-limit bindings whose limits add up to `requests`, the largest first.

        A binding's limit is fixed at deployment, so there is one for each power of two.
        """
        return [
            f"RATE_{self.window_seconds}S_{1 << bit}"
            for bit in reversed(range(self.requests.bit_length()))
            if self.requests >> bit & 1
        ]


def parse_rate_limit(fields: RecordFields) -> RateLimit | None:
    """Read `rateLimit`; None if it is missing or invalid, and then a reason is added."""
    given = fields.record.get("rateLimit")
    if given is None:
        return None
    if isinstance(given, dict):
        fields.part("rateLimit", given).refuse_others(("requests", "windowSeconds"))
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


def parse_quota_limits(fields: RecordFields, price_micros: int) -> QuotaLimits:
    """Read `usageLimit` and `spendLimit`; an invalid one adds a reason and sets no limit."""
    daily_requests, monthly_requests = _parse_usage(fields)
    daily_micros, monthly_micros = _parse_spend(fields, price_micros)
    return QuotaLimits(monthly_requests, daily_requests, monthly_micros, daily_micros)


def _parse_usage(fields: RecordFields) -> tuple[int | None, int | None]:
    names = ("dailyRequests", "monthlyRequests")
    values = _read_pair(fields, "usageLimit", names)
    if values is None:
        return None, None
    if all(value is None or _is_count(value, constants.QUOTA_REQUESTS_MAX) for value in values):
        return values
    expected = f"whole numbers from 1 to {constants.QUOTA_REQUESTS_MAX}"
    fields.refuse("usageLimit", f"dailyRequests or monthlyRequests or both, {expected}")
    return None, None


def _parse_spend(fields: RecordFields, price_micros: int) -> tuple[int | None, int | None]:
    names = ("dailySpendUsd", "monthlySpendUsd")
    values = _read_pair(fields, "spendLimit", names)
    if values is None:
        return None, None
    micros = [None if value is None else usd_micros(value) or 0 for value in values]
    if any(amount == 0 for amount in micros):
        expected = "amounts above 0 and below 10000000 with at most 6 decimals"
        fields.refuse("spendLimit", f"dailySpendUsd or monthlySpendUsd or both, {expected}")
        return None, None
    if any(amount is not None and amount < price_micros for amount in micros):
        fields.refuse("spendLimit", "at least priceUsd, otherwise no request could be paid for")
        return None, None
    return micros[0], micros[1]


def _read_pair(
    fields: RecordFields, field_name: str, names: tuple[str, str]
) -> tuple[Json, Json] | None:
    given = fields.record.get(field_name)
    if given is None:
        return None
    first = second = None
    if isinstance(given, dict):
        fields.part(field_name, given).refuse_others(names)
        first, second = (given.get(name) for name in names)
    if first is None and second is None:
        fields.refuse(field_name, f"an object with {names[0]} or {names[1]} or both")
        return None
    return first, second


def _is_count(value: Json, maximum: int) -> bool:
    return type(value) is int and 1 <= value <= maximum
