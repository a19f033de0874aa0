"""Checks one event of an older log and turns it into a usage event.

The API's fields are checked with the dispatcher's parser of directory records.
docs/import-legacy.md describes all fields.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.imports.money import PRICE_NAMES, REVENUE_NAMES, amount_micros
from core import constants
from core.calendar import MINUTE_MS
from core.callers import address_identity, agent_identity, key_identity, payer_identity
from core.errors import DataError, RecordRefused
from core.ports import Json
from metering.events import Api, UsageEvent
from tenants.records import parse_tenant

NAMES: Mapping[str, Sequence[str]] = {
    "at": ("at", "timestamp", "ts", "time", "createdAt"),
    "tenantId": ("tenantId", "tenant"),
    "slug": ("slug", "apiId", "endpoint", "api"),
    "owner": ("owner", "ownerUserId"),
    "directory": ("directory", "category"),
    **PRICE_NAMES,
    **REVENUE_NAMES,
    "status": ("status", "statusCode"),
    "latencyMs": ("latencyMs", "latency", "durationMs"),
    "method": ("method",),
    "outcome": ("outcome", "errorCode"),
    "lifecycle": ("lifecycle",),
    "counted": ("counted", "countable"),
    "payer": ("payer",),
    "apiKey": ("apiKey",),
    "agentId": ("agentId", "callerId", "caller", "agent"),
    "ip": ("ip",),
    "id": ("id", "eventId", "requestId"),
}
"""The known names of each field; the first that an event has is used."""

LATENCY_MS_MAX = 86_400_000
_APIS_MAX = 10_000
"""Checked APIs that a reader keeps."""

CLOCK_MINUTES = 5
"""How far an event may be in the future by the clock of this isolate."""

_LIFECYCLES = {
    "payment_settled": "served",
    "payment_challenged": "payment_required",
    "worker_error": "tenant_worker_failure",
}
"""The outcomes of the first dispatcher that have another name now."""

REFUSED_OUTCOMES = frozenset(
    {"rate_limited", "usage_quota_exceeded", "cap_exceeded", "tenant_not_found", "refused"}
)
"""Outcomes of requests that ended before dispatch; those starting with `payment_` did too."""

PAYMENT_REQUIRED = 402
_UNSUCCESSFUL_FROM = 400

_SETTLED = frozenset({"payment_settled", "settled", "paid"})
"""Lifecycles of requests that were paid for."""

_UNFINISHED_WORDS = (
    "accepted authorized claimed created dispatched dispatching forwarded in_flight in_progress"
    " initiated open pending presented processing queued received settling started streaming"
    " submitted unconfirmed verified verifying"
)
_UNFINISHED = re.compile(f"(?:[a-z]+_)*(?:{'|'.join(_UNFINISHED_WORDS.split())})")

_UNKNOWN_CALLER = re.compile(
    r"@?(?:(?:id|ip|caller|agent|user|client)[_:-])?"
    r"(?:unknown|anonymous|anon|none|null|undefined|n/?a|-|)",
    re.IGNORECASE,
)

_ENDPOINT = re.compile(r"/t/([^/?]+)(?:[/?].*)?")
_EPOCH = re.compile(r"[0-9]{9,13}(?:\.[0-9]{1,9})?")
_SECONDS_BELOW = 100_000_000_000
_METHOD = re.compile("[A-Za-z]{1,16}")
_OUTCOME = re.compile("[a-z][a-z_]{0,63}")
_REQUEST_ID = re.compile("[A-Za-z0-9._:-]{1,64}")
_FIRST_MS = int(datetime.fromisoformat(f"{constants.FIRST_YEAR}-01-01T00:00Z").timestamp()) * 1000
_CALLERS = (
    ("payer", payer_identity),
    ("apiKey", key_identity),
    ("agentId", agent_identity),
    ("ip", address_identity),
)
_AMOUNTS = {
    "usd": "an amount from 0 to 10000 with at most 6 decimals",
    "cents": "a number of cents from 0 to 1000000 with at most 4 decimals",
    "micros": f"a whole number from 0 to {constants.PRICE_MICROS_MAX}",
}
"""What an amount must be, by its unit."""


@dataclass(frozen=True, slots=True)
class OldEvent:
    """A valid event.

    Args:
        event: The event for the log; its caller, network and request id are set later.
        caller: The caller's identity, in the dispatcher's form; empty if unknown.
        ip: The caller's IP address; empty if unknown.
        own_id: The event's id; may be empty.
    """

    event: UsageEvent
    caller: str
    ip: str
    own_id: str


class OldEventRefused(DataError):
    """An event is invalid; `reasons` has all its mistakes.

    If it `is_about_money`, it is valid except that it would be imported without its revenue.
    """

    def __init__(self, reasons: list[str], *, is_about_money: bool = False) -> None:
        """Take the reasons."""
        super().__init__("; ".join(reasons))
        self.reasons = reasons
        self.is_about_money = is_about_money


@dataclass(slots=True)
class EventReader:
    """Turns records into events.

    Args:
        now_ms: The current time in milliseconds since 1970; later events are rejected.
    """

    now_ms: int
    _apis: dict[str, Api] = field(default_factory=dict)

    def read(self, record: Mapping[str, Json]) -> OldEvent:
        """Return the event of a record.

        Args:
            record: The fields of `NAMES`, as `known_fields` returns them.

        Raises:
            OldEventRefused: The record is invalid; it has all mistakes.
        """
        checked = _Checked(record)
        at_ms = self._time(checked)
        api = self._api(record, checked)
        status = checked.whole("status", 100, 599)
        latency_ms = checked.number("latencyMs", LATENCY_MS_MAX)
        revenue = checked.money(REVENUE_NAMES, "revenueUsd")
        method = checked.matching("method", _METHOD, "a method such as GET", "GET").upper()
        lifecycle = checked.matching("lifecycle", _OUTCOME, "lower-case letters and _", "")
        if is_unfinished(record):
            checked.refuse("lifecycle", "final: what became of the request is not known")
        outcome = checked.matching("outcome", _OUTCOME, "lower-case letters and _", lifecycle)
        outcome = _LIFECYCLES.get(outcome, outcome)
        counted = record.get("counted")
        if counted is None:
            unpaid = not outcome and status == PAYMENT_REQUIRED and not revenue
            refused = outcome in REFUSED_OUTCOMES or outcome.startswith("payment_")
            counted = not (unpaid or refused)
            outcome = outcome or ("payment_required" if unpaid else "served")
        elif type(counted) is not bool:
            checked.refuse("counted", "true or false")
        outcome = outcome or ("served" if counted else "refused")
        caller, own_id = checked.caller(), checked.own_id()
        if checked.reasons:
            raise OldEventRefused(checked.reasons)
        lost = _lost_revenue(record, lifecycle, api, status, revenue, is_call=bool(counted))
        if lost:
            raise OldEventRefused([lost], is_about_money=True)
        event = UsageEvent(
            "", at_ms, api, method, status, latency_ms, "", outcome, bool(counted), revenue
        )
        ip = record.get("ip")
        is_known = isinstance(ip, str) and not _UNKNOWN_CALLER.fullmatch(ip)
        return OldEvent(event, caller, str(ip) if is_known else "", own_id)

    def _time(self, checked: _Checked) -> int:
        value = checked.record.get("at")
        demand = "a time: RFC 3339 with Z or an offset, or seconds or milliseconds since 1970"
        at_ms = -1
        if type(value) is str and _EPOCH.fullmatch(value):
            value = float(value)
        if type(value) is str:
            try:
                at = datetime.fromisoformat(value)
            except ValueError:
                at = None
            if at is not None and at.tzinfo is not None:
                at_ms = round(at.timestamp() * 1000)
        elif isinstance(value, int | float) and type(value) is not bool and math.isfinite(value):
            # Of the years since 2025, no time in one unit is also one in another.
            at_ms = int(value if value >= _SECONDS_BELOW else value * 1000)
        if at_ms < _FIRST_MS:
            checked.refuse("at", f"{demand}, from {constants.FIRST_YEAR} on")
        elif at_ms > self.now_ms + CLOCK_MINUTES * MINUTE_MS:
            checked.refuse("at", "in the past")
        return at_ms

    def _api(self, record: Mapping[str, Json], checked: _Checked) -> Api | None:
        described = {name: record.get(name) for name in ("tenantId", "owner", "directory")}
        micros = checked.money(PRICE_NAMES, "priceUsd")
        described["priceUsd"] = f"{micros // 1_000_000}.{micros % 1_000_000:06d}"
        slug = record.get("slug")
        path = _ENDPOINT.fullmatch(slug) if type(slug) is str else None
        described["slug"] = path[1] if path else slug
        # As dictionary keys, 1, 1.0 and True would be equal; their texts are not.
        name = repr(described)
        if name not in self._apis:
            try:
                tenant = parse_tenant({**described, "workerName": "legacy"}, "")
            except RecordRefused as error:
                checked.reasons += error.reasons
                return None
            if len(self._apis) == _APIS_MAX:
                self._apis.clear()
            self._apis[name] = tenant.api
        return self._apis[name]


@dataclass(slots=True)
class _Checked:
    """Reads the fields of one record, and collects mistakes in `reasons`."""

    record: Mapping[str, Json]
    reasons: list[str] = field(default_factory=list)

    def refuse(self, name: str, demand: str) -> None:
        if name in self.record:
            shown = repr(self.record[name])
            self.reasons.append(f"{name} must be {demand}, is {shown[:80]}")
        else:
            self.reasons.append(f"{name} is missing: it must be {demand}")

    def whole(self, name: str, least: int, most: int) -> int:
        value = self.record.get(name)
        if type(value) is int and least <= value <= most:
            return int(value)
        self.refuse(name, f"a whole number from {least} to {most}")
        return least

    def number(self, name: str, most: int) -> int:
        value = self.record.get(name, 0)
        if isinstance(value, int | float) and type(value) is not bool and 0 <= value <= most:
            return round(value)
        self.refuse(name, f"a number from 0 to {most}")
        return 0

    def money(self, names: Collection[str], default: str) -> int:
        """Read an amount in micro-dollars, given in one of several units; 0 if it is missing."""
        found = [name for name in names if name in self.record]
        # Micro-dollars are exact.
        name = max(found or [default], key=lambda name: name.endswith("Micros"))
        micros = amount_micros(name, self.record.get(name, 0))
        if micros is None or micros > constants.PRICE_MICROS_MAX:
            unit = name.removeprefix("price").removeprefix("revenue").lower()
            self.refuse(name, _AMOUNTS[unit])
            return 0
        return micros

    def matching(self, name: str, pattern: re.Pattern[str], demand: str, default: str) -> str:
        value = self.record.get(name, default)
        if type(value) is not str or not (pattern.fullmatch(value) or value == default):
            self.refuse(name, demand)
            return default
        return value

    def caller(self) -> str:
        for name, identity_of in _CALLERS:
            value = self.record.get(name, "")
            if type(value) is not str or not _UNKNOWN_CALLER.fullmatch(value):
                return identity_of(self._text(name))
        return ""

    def own_id(self) -> str:
        value = self.record.get("id", "")
        return str(value) if type(value) is int else self._text("id") if value != "" else ""

    def _text(self, name: str) -> str:
        value = self.record[name]
        if type(value) is not str or not value or not _is_encodable(value):
            self.refuse(name, "text")
            return ""
        return value


def is_unfinished(record: Mapping[str, Json]) -> bool:
    """Tell whether a record says that its request was still under way.

    Args:
        record: The fields of `NAMES`, as `known_fields` returns them.
    """
    lifecycle = record.get("lifecycle", record.get("outcome"))
    return type(lifecycle) is str and _UNFINISHED.fullmatch(lifecycle) is not None


def _lost_revenue(
    record: Mapping[str, Json],
    lifecycle: str,
    api: Api | None,
    status: int,
    revenue_micros: int,
    *,
    is_call: bool,
) -> str:
    """Return what shows that an event has another revenue than it says; empty if nothing does."""
    if revenue_micros:
        return "" if is_call else "a request that is not counted as a call has no revenue"
    if lifecycle in _SETTLED:
        return f"lifecycle is {lifecycle}, and no revenue above 0 is given"
    is_missing = not any(name in record for name in REVENUE_NAMES)
    if is_missing and is_call and api and api.price_micros and status < _UNSUCCESSFUL_FROM:
        return "revenueUsd is missing, and the API has a price: give 0 if the call was free"
    return ""


def known_fields(event: Mapping[str, Json]) -> dict[str, Json]:
    """Return the fields of `NAMES` that an event has and that are not null."""
    found = {}
    for name, aliases in NAMES.items():
        value = next((event[alias] for alias in aliases if event.get(alias) is not None), None)
        if value is not None:
            found[name] = value
    return found


def request_id_of(own_id: str) -> str:
    """Return the request id of an imported event, by which it is counted once.

    Args:
        own_id: The event's id. If it is not a valid request id, a hash takes its place.
    """
    if _REQUEST_ID.fullmatch(own_id):
        return own_id
    return f"id-{hashlib.blake2b(own_id.encode(errors='replace'), digest_size=16).hexdigest()}"


def _is_encodable(text: str) -> bool:
    """Tell whether a text has UTF-8: JSON can have half of a surrogate pair, which has none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
