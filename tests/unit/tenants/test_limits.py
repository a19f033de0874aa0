"""Limits in directory records: which are valid, and the reasons for rejecting others."""

from __future__ import annotations

import pytest

from core.quotas import UNBOUNDED, QuotaLimits
from tenants.limits import RateLimit
from tenants.records import parse_tenant
from tests.unit.tenants.test_records import REQUIRED, reasons

PRICED = {"priceUsd": "0.01", "x402Enabled": True}


def test_a_record_without_limits_has_none() -> None:
    tenant = parse_tenant(REQUIRED, "r")
    assert (tenant.rate_limit, tenant.quota_limits, tenant.is_limited) == (None, UNBOUNDED, False)


@pytest.mark.parametrize("seconds", [10, 60])
@pytest.mark.parametrize("requests", [1, 5, 1_024, 8_191])
def test_a_rate_is_the_sum_of_its_bindings(requests: int, seconds: int) -> None:
    given = {"requests": requests, "windowSeconds": seconds}
    rate = parse_tenant({**REQUIRED, "rateLimit": given}, "r").rate_limit
    assert rate == RateLimit(requests, seconds)
    names = rate.bindings
    sizes = [int(name.removeprefix(f"RATE_{seconds}S_")) for name in names]
    assert sum(sizes) == requests
    assert sizes == sorted(set(sizes), reverse=True)


@pytest.mark.parametrize(
    "given",
    [
        {"requests": 0, "windowSeconds": 10},
        {"requests": -1, "windowSeconds": 10},
        {"requests": 1.5, "windowSeconds": 10},
        {"requests": 8_192, "windowSeconds": 60},
        {"requests": True, "windowSeconds": 60},
        {"requests": "5", "windowSeconds": 60},
        {"requests": 5, "windowSeconds": 30},
        {"requests": 5},
        {"windowSeconds": 10},
        [],
        5,
    ],
)
def test_an_invalid_rate_is_rejected(given: object) -> None:
    (reason,) = reasons(rateLimit=given)
    assert reason.startswith(
        "rateLimit must be {requests, windowSeconds}: requests a whole number from 1 to 8191,"
        " windowSeconds 10 or 60, is "
    )


def test_each_quota_is_optional() -> None:
    both = {"dailyRequests": 5, "monthlyRequests": 100}
    assert parse_tenant({**REQUIRED, "usageLimit": both}, "r").quota_limits == QuotaLimits(100, 5)
    one = {"monthlyRequests": 100}
    assert parse_tenant({**REQUIRED, "usageLimit": one}, "r").quota_limits == QuotaLimits(
        monthly_requests=100
    )


@pytest.mark.parametrize("value", [0, -5, 1.5, True, "10", 10**12 + 1])
@pytest.mark.parametrize("name", ["dailyRequests", "monthlyRequests"])
def test_an_invalid_quota_is_rejected(name: str, value: object) -> None:
    (reason,) = reasons(usageLimit={name: value})
    assert "usageLimit must be dailyRequests or monthlyRequests or both, whole numbers" in reason


def test_caps_are_exact_to_the_micro_dollar() -> None:
    given = {"dailySpendUsd": "0.015", "monthlySpendUsd": 2}
    tenant = parse_tenant({**REQUIRED, **PRICED, "spendLimit": given}, "r")
    assert tenant.quota_limits == QuotaLimits(monthly_micros=2_000_000, daily_micros=15_000)
    assert tenant.counted_limits == tenant.quota_limits


@pytest.mark.parametrize("value", [0, "0.0", -1, "0.0000001", True, "much", 10_000_000])
@pytest.mark.parametrize("name", ["dailySpendUsd", "monthlySpendUsd"])
def test_an_invalid_cap_is_rejected(name: str, value: object) -> None:
    (reason,) = reasons(spendLimit={name: value})
    assert "spendLimit must be dailySpendUsd or monthlySpendUsd or both, amounts above 0" in reason


def test_a_cap_below_the_price_is_rejected() -> None:
    (reason,) = reasons(**PRICED, spendLimit={"dailySpendUsd": 1, "monthlySpendUsd": 0.009})
    assert reason.startswith("spendLimit must be at least priceUsd")


@pytest.mark.parametrize("given", [{}, [], 7])
@pytest.mark.parametrize("field", ["usageLimit", "spendLimit"])
def test_a_limit_without_a_value_is_rejected(field: str, given: object) -> None:
    (reason,) = reasons(**{field: given})
    assert reason.startswith(f"{field} must be an object with ")


@pytest.mark.parametrize("field", ["usageLimit", "spendLimit"])
def test_an_unknown_limit_is_named(field: str) -> None:
    named, missing = reasons(**{field: {"hourly": 5}})
    assert named.startswith(f"{field}.hourly must be left out")
    assert missing.startswith(f"{field} must be an object with ")


def test_a_cap_of_an_unpriced_api_has_no_effect() -> None:
    tenant = parse_tenant({**REQUIRED, "spendLimit": {"dailySpendUsd": 1}}, "r")
    assert tenant.is_limited is False
    assert tenant.counted_limits == UNBOUNDED
    assert tenant.quota_limits != UNBOUNDED
