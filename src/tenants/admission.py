"""Admission: reserves a request's share of its API's limits, and releases what it did not use.

The caller's rate is checked first, then quotas and spending caps. A quota is released if the
request fails; a rate is not, because it limits attempts. A price is held from the script's response
until its payment is settled or has failed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from core import constants, quotas
from core.calendar import timestamp
from core.errors import BindingMissing, CallerError, Evidence, InternalError
from core.logs import fields
from core.ports import Clock, Environment, QuotaCounters
from core.quotas import UNBOUNDED, CounterUnavailable, Release, Reserved
from core.telemetry import SERVED
from metering.events import is_error
from tenants.limit_headers import limit_headers, quota_states, rate_state, seconds_until
from tenants.limits import RateLimit
from tenants.payment_attempts import PaymentAttempts
from tenants.records import Tenant

QUOTAS_BINDING = "QUOTAS"
_POLL_MS = 250

_RECORD_FIELDS = {
    "daily_requests": "usageLimit.dailyRequests",
    "monthly_requests": "usageLimit.monthlyRequests",
    "daily_micros": "spendLimit.dailySpendUsd",
    "monthly_micros": "spendLimit.monthlySpendUsd",
}
"""The field of the directory record that sets each limit."""

_LOGGER = logging.getLogger(__name__)


class LimitError(CallerError):
    """A limit of the API refused the request; it is neither counted nor charged."""

    def __init__(
        self,
        message: str,
        retry_after_seconds: int,
        headers: Sequence[tuple[str, str]],
        **evidence: Evidence,
    ) -> None:
        """Take the message, when to retry, the headers with the limits' state, and evidence."""
        super().__init__(message, **evidence, retryAfterSeconds=retry_after_seconds)
        self._headers = (("retry-after", str(retry_after_seconds)), *headers)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """`Retry-After` (RFC 9110 section 10.2.3) and the limits' state."""
        return self._headers


class RateLimited(LimitError):
    """The caller sent more requests in a window than the API allows."""

    code = "rate_limited"
    status = 429


class UsageQuotaExceeded(LimitError):
    """The API's quota of requests for the day or the month is used up."""

    code = "usage_quota_exceeded"
    status = 429


class CapExceeded(LimitError):
    """The API's spending cap for the day or the month is reached; nothing is charged."""

    code = "cap_exceeded"
    status = 402


class LimitsOutage(InternalError):
    """A counter of the API's limits did not respond."""

    is_call = False

    def __init__(self) -> None:
        """Tell the caller that it is temporary."""
        super().__init__("The limits of this API cannot be checked at the moment. Try again.")


@dataclass(slots=True)
class Reservation:
    """What one request reserved, and the limits' state as response headers.

    `counter` names the API's quota counter, empty if only the rate was counted; `day` is the
    UTC day (days since 1970-01-01); `micros` is the price in micro-dollars if the API has a cap,
    `held_day` the day on which it was held, None if it is not held.
    """

    headers: Sequence[tuple[str, str]]
    counter: str = ""
    day: int = 0
    micros: int = 0
    held_day: int | None = None

    def has_unused(self, status: int) -> bool:
        """Tell whether a request that ended with `status` holds or did not use something."""
        return bool(self.counter) and (self.held_day is not None or is_error(status, SERVED))


@dataclass(slots=True)
class Admission:
    """The limits of one isolate's requests."""

    environment: Environment
    clock: Clock
    _attempts: PaymentAttempts = field(default_factory=PaymentAttempts)

    @contextmanager
    def payment_attempt(self, sender: str, tenant: Tenant) -> Iterator[None]:
        """Bound the payments of `sender` that are verified at once, during a `with` block.

        Raises `RateLimited` if there are too many, or lately too many were invalid.
        """
        rate = tenant.rate_limit
        if rate is None:
            yield
            return
        key, begun_ms = _rate_key(sender, tenant), self.clock.now_ms()
        at_once = max(constants.PAYMENTS_AT_ONCE_MIN, rate.requests)
        if not self._attempts.begin(key, at_once, rate.window_seconds * 1000, begun_ms):
            raise _rate_limited(tenant, rate)
        try:
            yield
        finally:
            self._attempts.end(key, begun_ms, self.clock.now_ms())

    async def count_invalid_payment(self, sender: str, tenant: Tenant) -> None:
        """Count an invalid payment of `sender` against its rate.

        Above the rate, this isolate refuses its payments for a window. Raises `BindingMissing`
        or `LimitsOutage` if the rate cannot be counted.
        """
        rate = tenant.rate_limit
        if rate is not None and not await self._is_within(rate, sender, tenant):
            until_ms = self.clock.now_ms() + rate.window_seconds * 1000
            self._attempts.refuse(_rate_key(sender, tenant), until_ms)

    async def reserve(
        self, caller: str, tenant: Tenant, micros: int = 0, *, has_quota: bool = False
    ) -> Reservation:
        """Reserve one request of a limited tenant's rate, quotas and caps.

        `micros` are what the request pays, in micro-dollars. With `has_quota`, only the rate is
        counted: an earlier request with the same payment reserved the quota. Raises
        `LimitError` if a limit is used up, `BindingMissing` or `LimitsOutage` if one cannot be
        checked.
        """
        if tenant.rate_limit and not await self._is_within(tenant.rate_limit, caller, tenant):
            raise _rate_limited(tenant, tenant.rate_limit)
        rate = rate_state(tenant)
        at_ms = self.clock.now_ms()
        if has_quota or tenant.counted_limits == UNBOUNDED:
            return Reservation(limit_headers((*rate, *quota_states(tenant, at_ms, None))))
        counter = _counter_name(tenant)
        limits = tenant.counted_limits
        has_cap = limits.daily_micros is not None or limits.monthly_micros is not None
        micros = micros if has_cap else 0
        try:
            reserved = await self._counters.reserve(counter, at_ms, limits, micros)
        except CounterUnavailable as error:
            raise LimitsOutage from error
        usage = reserved.usage
        if micros:
            # The price is counted when it is held, which is after these headers are written.
            usage = usage._replace(
                monthly_micros=usage.monthly_micros + micros,
                daily_micros=usage.daily_micros + micros,
            )
        states = (*rate, *quota_states(tenant, at_ms, usage, reserved.exceeded))
        headers = limit_headers(states)
        if reserved.exceeded:
            raise _limit_error(tenant, reserved, at_ms, headers)
        return Reservation(headers, counter, reserved.usage.day, micros)

    async def hold(self, tenant: Tenant, reservation: Reservation) -> None:
        """Hold the price of a request that is about to be settled, if its API has a cap.

        Waits while the cap is exceeded only by what other requests hold, because their payments
        may fail. Raises `CapExceeded`, `BindingMissing` or `LimitsOutage`.
        """
        if not reservation.micros:
            return
        for polls_left in reversed(range(constants.CAP_WAIT_MS // _POLL_MS)):
            at_ms = self.clock.now_ms()
            try:
                held = await self._counters.hold(
                    reservation.counter, at_ms, tenant.counted_limits, reservation.micros
                )
            except CounterUnavailable as error:
                raise LimitsOutage from error
            if not held.exceeded:
                reservation.held_day = held.usage.day
                return
            if not held.is_busy or not polls_left:
                states = quota_states(tenant, at_ms, held.usage, held.exceeded)
                raise _limit_error(tenant, held, at_ms, limit_headers(states))
            await self.clock.sleep_ms(_POLL_MS)

    async def release(self, reservation: Reservation) -> None:
        """Release all that a request reserved which was neither served nor charged."""
        await self._release(reservation, 1, is_paid=False)

    async def release_unused(self, reservation: Reservation, status: int, *, is_paid: bool) -> None:
        """Release what a served request did not use: the quota of an error, an unpaid price."""
        await self._release(reservation, int(is_error(status, SERVED)), is_paid=is_paid)

    async def keep(self, reservation: Reservation) -> None:
        """Keep the price of a request counted of which it is unknown whether it was settled."""
        await self._release(reservation, 0, is_paid=True)

    async def _release(self, reservation: Reservation, requests: int, *, is_paid: bool) -> None:
        held_day = reservation.held_day
        if not reservation.counter or (not requests and held_day is None):
            return
        micros = 0 if held_day is None else reservation.micros
        released = Release(reservation.day, requests, held_day or 0, micros, is_paid)
        try:
            await self._counters.release(reservation.counter, released)
        except CounterUnavailable as error:
            # Not retried: a second release would admit one request too many.
            _LOGGER.warning(
                "reservation_not_released",
                extra=fields(counter=reservation.counter, cause=str(error)),
            )

    async def _is_within(self, rate: RateLimit, caller: str, tenant: Tenant) -> bool:
        """Count one request of a caller, and tell whether its rate allows it."""
        key = _rate_key(caller, tenant)
        for name in rate.bindings:
            counter = self.environment.rate_counter(name)
            if counter is None:
                raise BindingMissing(name)
            try:
                if await counter.take(key):
                    return True
            except CounterUnavailable as error:
                raise LimitsOutage from error
        return False

    @property
    def _counters(self) -> QuotaCounters:
        counters = self.environment.quota_counters
        if counters is None:
            raise BindingMissing(QUOTAS_BINDING)
        return counters


def _counter_name(tenant: Tenant) -> str:
    # A slug contains no slash, so names are unique.
    return f"{tenant.slug}/{tenant.tenant_id}"


def _rate_key(caller: str, tenant: Tenant) -> str:
    return f"{_counter_name(tenant)}/{caller}"


def _rate_limited(tenant: Tenant, rate: RateLimit) -> RateLimited:
    seconds = rate.window_seconds
    return RateLimited(
        f"This API accepts {rate.requests} requests in {seconds} s from each caller.",
        seconds,
        limit_headers(rate_state(tenant, is_used_up=True)),
        limit="rateLimit",
        requests=rate.requests,
        windowSeconds=seconds,
    )


def _limit_error(
    tenant: Tenant, reserved: Reserved, at_ms: int, headers: Sequence[tuple[str, str]]
) -> UsageQuotaExceeded | CapExceeded:
    name = reserved.exceeded
    _, end_ms = quotas.period_ms(name, reserved.usage.day)
    bound = getattr(tenant.counted_limits, name)
    seconds = seconds_until(end_ms, at_ms)
    record_field, resets_at = _RECORD_FIELDS[name], timestamp(end_ms)
    period = "today" if name.startswith("daily") else "this month"
    if name.endswith("requests"):
        message = f"This API has served the {bound} requests that it accepts {period}."
        return UsageQuotaExceeded(
            message, seconds, headers, limit=record_field, requests=bound, resetsAt=resets_at
        )
    message = f"This API has reached its spending cap for {period}. Nothing was charged."
    return CapExceeded(
        message, seconds, headers, limit=record_field, limitMicros=bound, resetsAt=resets_at
    )
