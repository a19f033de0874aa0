"""Where a request asks an API's limits for leave, and where what it took is given back.

Owns the order of the limits (the caller's rate, then quotas and caps) and what
is refused in whose words. A quota is taken before dispatch and given back when
the request fails; a rate is not, as it bounds attempts. Refuses to count:
`quotas` has the rules, and the bindings keep the counts.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from core import quotas
from core.calendar import timestamp
from core.errors import BindingMissing, CallerError, Evidence, InternalError
from core.logs import fields
from core.ports import Clock, Environment, QuotaCounters
from core.quotas import UNBOUNDED, CounterUnavailable, Reserved
from core.responses import CORS_HEADERS
from metering.events import is_error
from tenants.limit_headers import limit_fields, quota_states, rate_state, seconds_until
from tenants.records import Tenant


class LimitError(CallerError):
    """A request that a limit of the API refuses; nothing is counted or charged for it."""

    def __init__(
        self,
        message: str,
        retry_after_seconds: int,
        headers: Sequence[tuple[str, str]],
        **evidence: Evidence,
    ) -> None:
        """Take the sentence for the caller, when to come again, and the limits' state."""
        super().__init__(message, **evidence, retryAfterSeconds=retry_after_seconds)
        self._headers = (("retry-after", str(retry_after_seconds)), *headers)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """RFC 9110 section 10.2.3 and the limits' state, readable for scripts of any origin."""
        return (*CORS_HEADERS, *self._headers)


class RateLimited(LimitError):
    """The caller has sent more requests in a window than the API allows."""

    code = "rate_limited"
    status = 429


class UsageQuotaExceeded(LimitError):
    """The API has been called as often as it may be, today or this month."""

    code = "usage_quota_exceeded"
    status = 429


class CapExceeded(LimitError):
    """The API has cost its callers as much as it may, today or this month; nothing is charged."""

    code = "cap_exceeded"
    status = 402


class LimitsOutage(InternalError):
    """What counts the API's limits does not answer."""

    is_call = False

    def __init__(self) -> None:
        """Say that it passes."""
        super().__init__("The limits of this API cannot be told at the moment. Try again.")


QUOTAS_BINDING = "QUOTAS"

_SHOWN = {
    "daily_requests": "usageLimit.dailyRequests",
    "monthly_requests": "usageLimit.monthlyRequests",
    "daily_micros": "spendLimit.dailySpendUsd",
    "monthly_micros": "spendLimit.monthlySpendUsd",
}

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one request took of its API's counter, on which UTC day."""

    counter: str
    day: int
    micros: int


@dataclass(frozen=True, slots=True)
class AdmittedRequest:
    """A request that limits let through: what it took, and their state as header fields."""

    reservation: Reservation | None
    fields: Sequence[tuple[str, str]]


@dataclass(slots=True)
class Admission:
    """Asks the limits for the requests of one isolate."""

    environment: Environment
    clock: Clock

    async def admit(
        self, caller: str, tenant: Tenant, *, is_counted: bool = False
    ) -> AdmittedRequest:
        """Take one request of the rate, the quotas and the caps of a limited tenant.

        `is_counted` is for a payment that was settled in an earlier request,
        which took its quota then. Raises `LimitError` when a limit refuses, and
        `BindingMissing` or `LimitsOutage` when none can be asked.
        """
        await self._take_rate(caller, tenant)
        rate = rate_state(tenant)
        at_ms = self.clock.now_ms()
        if is_counted or tenant.counted_bounds == UNBOUNDED:
            states = (*rate, *quota_states(tenant, at_ms, None))
            return AdmittedRequest(None, limit_fields(states))
        counter = counter_name(tenant)
        micros = tenant.price_micros if tenant.is_priced else 0
        try:
            reserved = await self._counters.reserve(counter, at_ms, tenant.counted_bounds, micros)
        except CounterUnavailable as error:
            raise LimitsOutage from error
        states = (*rate, *quota_states(tenant, at_ms, reserved.use, reserved.exceeded))
        if reserved.exceeded:
            raise _refusal(tenant, reserved, at_ms, limit_fields(states))
        return AdmittedRequest(Reservation(counter, reserved.use.day, micros), limit_fields(states))

    async def finish(self, hold: AdmittedRequest | None, status: int, *, is_paid: bool) -> None:
        """Give back what an answered request did not use: errors no quota, unpaid ones no cap."""
        if hold is not None and hold.reservation is not None:
            micros = 0 if is_paid else hold.reservation.micros
            await self._give_back(hold.reservation, int(is_error(status)), micros)

    async def cancel(self, hold: AdmittedRequest | None) -> None:
        """Give back all that a request took which was not served, and for sure not charged."""
        if hold is not None and hold.reservation is not None:
            await self._give_back(hold.reservation, 1, hold.reservation.micros)

    async def _give_back(self, reservation: Reservation, requests: int, micros: int) -> None:
        if not requests and not micros:
            return
        try:
            await self._counters.release(reservation.counter, reservation.day, requests, micros)
        except CounterUnavailable as error:
            # Not tried again: given back twice, it would let one too many through.
            _LOGGER.warning(
                "failed_request_stays_counted",
                extra=fields(counter=reservation.counter, cause=str(error)),
            )

    async def _take_rate(self, caller: str, tenant: Tenant) -> None:
        rate = tenant.rate_limit
        if rate is None:
            return
        key = f"{counter_name(tenant)}/{caller}"
        for name in rate.bindings:
            counter = self.environment.rate_counter(name)
            if counter is None:
                raise BindingMissing(name)
            try:
                if await counter.take(key):
                    return
            except CounterUnavailable as error:
                raise LimitsOutage from error
        seconds = rate.window_seconds
        raise RateLimited(
            f"This API takes {rate.requests} requests in {seconds} s from each caller.",
            seconds,
            limit_fields(rate_state(tenant, is_used_up=True)),
            limit="rateLimit",
            requests=rate.requests,
            windowSeconds=seconds,
        )

    @property
    def _counters(self) -> QuotaCounters:
        counters = self.environment.quota_counters
        if counters is None:
            raise BindingMissing(QUOTAS_BINDING)
        return counters


def counter_name(tenant: Tenant) -> str:
    """Name what counts for one API; a slug has no slash, so no two share a name."""
    return f"{tenant.slug}/{tenant.tenant_id}"


def _refusal(
    tenant: Tenant, reserved: Reserved, at_ms: int, fields: Sequence[tuple[str, str]]
) -> UsageQuotaExceeded | CapExceeded:
    name = reserved.exceeded
    _, end_ms = quotas.period_ms(name, reserved.use.day)
    bound = getattr(tenant.counted_bounds, name)
    seconds = seconds_until(end_ms, at_ms)
    shown, resets_at = _SHOWN[name], timestamp(end_ms)
    period = "today" if name.startswith("daily") else "this month"
    if name.endswith("requests"):
        message = f"This API has answered the {bound} requests that it takes {period}."
        return UsageQuotaExceeded(
            message, seconds, fields, limit=shown, requests=bound, resetsAt=resets_at
        )
    message = f"This API has been paid what it takes {period}. Nothing was charged."
    return CapExceeded(message, seconds, fields, limit=shown, limitMicros=bound, resetsAt=resets_at)
