"""The client of x402 facilitators, which verify and settle payments.

A verification is final if the payment is valid, or refused for a reason that concerns the payment.
Otherwise the next facilitator is asked. One that failed is asked after the others for a while.

A settle call counts as refused only if that is certain. After a timeout, a 5xx response, an
unreadable response or `settlement_pending`, money may have moved, and the outcome is unknown.

Source: the specification of x402 version 2, sections 5.3, 5.4, 7 and 9, and
the error codes of the official facilitators (packages x402, @x402/evm and @x402/svm).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus

from core import constants
from core.errors import ConfigurationError, FetchFailed
from core.logs import fields
from core.ports import Clock, Fetched, Fetcher, Json, OutgoingEnvironment
from core.safe_json import read_json
from payments.credentials import CoinbaseKey
from payments.facilitator_settings import Facilitator, facilitators_of, redirect_target
from payments.payload import Proof
from tenants.fields import UNPRINTABLE
from tenants.networks import NETWORKS_V1, family_of, normal_address

SETTLEMENT_PENDING = "settlement_pending"
_LOGGER = logging.getLogger(__name__)
_REFUSAL = re.compile(
    r"(?:insufficient|invalid|permit2|unsupported|upto)_[a-z0-9_]+|network_mismatch"
)
"""Codes for a payment that was rejected before anything was sent to the chain. Any other text
leaves the outcome unknown: some official facilitators put an exception's message there."""

_FAILED_TRANSACTION = ("transaction_failed", "invalid_transaction_state", "transfer_event_mismatch")
"""Suffixes of reasons that are certain only together with a transaction's hash."""

_CODE = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*", re.ASCII)
"""A code for programs. Anything else in its place is the message of an exception."""

_OWN_REASON = re.compile(
    r"unexpected_.*|unsupported_.*|unexplained|missing_(?:scheme|facilitator)"
    r"|invalid_(?:network|scheme|x402_version|request|payment_requirements)"
    r"|.*_(?:network_mismatch|evm_scheme|error|exception|unavailable|timeout|timed_out)"
    r"|network_mismatch|timeout|internal.*|unauthorized|forbidden|rate_limited?|too_many_requests"
)
"""Reasons that concern the facilitator, or what it supports, rather than the payment."""

_UNSUPPORTED = re.compile(
    r"unsupported_.*|missing_.*|invalid_(?:network|scheme|x402_version)|.*_?network_mismatch"
)
"""Those that it would give for any payment of this deployment."""

_FOREIGN_FEE_PAYER = frozenset(
    ("invalid_exact_svm_fee_payer_not_managed_by_facilitator", "upto_facilitator_mismatch")
)
"""The fee payer of the payment may be that of another facilitator."""

_UNUSABLE_STATUSES = frozenset(
    (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
)
_REDIRECTS = frozenset((301, 302, 307, 308))


class NoFacilitator(Exception):
    """No facilitator verified the payment; the message has the cause for each."""

    def __init__(self, causes: Sequence[str]) -> None:
        """Take one cause for each facilitator."""
        super().__init__("; ".join(causes) or "no facilitator supports this payment")


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """The result of a verify call; `extensions` is the header about extensions, or empty."""

    is_valid: bool
    reason: str
    message: str
    facilitator: str
    extensions: str = ""


class Outcome(Enum):
    """Whether the money moved."""

    SETTLED = "settled"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SettleResult:
    """The result of a settle call; `transaction` is a hash, or empty.

    `extensions` is the header about extensions, or empty.
    """

    outcome: Outcome
    transaction: str
    reason: str
    facilitator: str
    extensions: str = ""


@dataclass(slots=True)
class Circuit:
    """The failures of one facilitator in a row; until `open_until_ms` it is asked last."""

    failures: int = 0
    open_until_ms: int = 0
    cause: str = ""


@dataclass(slots=True)
class Facilitators:
    """The facilitators of this deployment; one object per isolate."""

    environment: OutgoingEnvironment
    clock: Clock
    _circuits: dict[str, Circuit] = field(default_factory=dict)
    _supported: dict[str, tuple[int, Json]] = field(default_factory=dict)
    _signing: dict[str, Fetcher] = field(default_factory=dict)

    async def verify(self, proof: Proof) -> VerifyResult:
        """Verify a payment with the first facilitator that can.

        Raises `NoFacilitator` if none can, and `ConfigurationError`.
        """
        causes: list[str] = []
        refusal: VerifyResult | None = None
        deadline_ms = self.clock.now_ms() + constants.VERIFY_TOTAL_MS
        candidates = self._in_order()
        for position, facilitator in enumerate(candidates):
            url = facilitator.url
            if not self._supports(url, proof):
                causes.append(f"{url} does not support it")
                continue
            left_ms = deadline_ms - self.clock.now_ms()
            if left_ms <= 0:
                causes.append(f"{url} was not asked, because others took too long")
                continue
            is_last = position == len(candidates) - 1
            most_ms = constants.VERIFY_TIMEOUT_MS if is_last else constants.VERIFY_SHARE_MS
            try:
                timeout_ms = min(most_ms, left_ms)
                fetched = await self._fetch(facilitator, "verify", proof.text, timeout_ms)
                result = _read_verify_result(fetched, proof, url)
            except FetchFailed as error:
                self._failed(url, str(error))
                causes.append(f"{url}/verify: {error}")
                continue
            if result.reason in _FOREIGN_FEE_PAYER:
                refusal = result
                continue
            if result.is_valid or not _is_own_reason(result.reason):
                self._circuits.pop(url, None)
                return result
            causes.append(f"{url}/verify: {result.reason}")
            if _UNSUPPORTED.fullmatch(result.reason):
                self._failed(url, result.reason)
        if refusal is not None and not causes:
            return refusal
        raise NoFacilitator(causes)

    async def settle(
        self, proof: Proof, url: str, timeout_ms: int = constants.SETTLE_TIMEOUT_MS
    ) -> SettleResult:
        """Call `/settle` of the facilitator at `url`.

        It gets its credentials if it is still configured. If the call fails, the outcome is
        unknown. Raises nothing.
        """
        try:
            facilitator = self._configured(url)
            fetched = await self._fetch(facilitator, "settle", proof.text, timeout_ms)
            result = _read_settle_result(fetched, proof, url)
        except (FetchFailed, ConfigurationError) as error:
            # Whatever failed, the money may have moved.
            self._failed(url, str(error))
            _LOGGER.warning(
                "facilitator_call_failed",
                extra=fields(facilitator=url, step="settle", cause=str(error)),
            )
            return SettleResult(Outcome.UNKNOWN, "", "facilitator_unavailable", url)
        self._circuits.pop(url, None)
        return result

    async def supported(self, url: str) -> Json:
        """Return the kinds of payment that a facilitator supports, cached for 10 minutes.

        Raises `FetchFailed` and `ConfigurationError`.
        """
        now_ms = self.clock.now_ms()
        cached = self._supported.get(url)
        if cached is not None and now_ms - cached[0] < constants.SUPPORTED_CACHE_SECONDS * 1000:
            return cached[1]
        facilitator = self._configured(url)
        fetched = await self._fetch(facilitator, "supported", None, constants.SUPPORTED_TIMEOUT_MS)
        if fetched.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            names = ", ".join(facilitator.secrets)
            raise FetchFailed(f"status {fetched.status}: it rejects its secret ({names or 'none'})")
        kinds = _document(fetched).get("kinds")
        if fetched.status != HTTPStatus.OK or not isinstance(kinds, list):
            raise FetchFailed(f"status {fetched.status}, and no list of kinds")
        self._supported[url] = (now_ms, kinds)
        return kinds

    def circuit(self, url: str) -> Circuit:
        """Return the failures of a facilitator, as this isolate has seen them."""
        return self._circuits.get(url, Circuit())

    def _configured(self, url: str) -> Facilitator:
        """Return the facilitator at `url`, without credentials if it is no longer configured."""
        found = facilitators_of(self.environment)
        return next((one for one in found if one.url == url), Facilitator(url, {}))

    def _in_order(self) -> Sequence[Facilitator]:
        """Return the facilitators, those whose circuit is open after the others."""
        found = facilitators_of(self.environment)
        if not self._circuits:
            return found
        now_ms = self.clock.now_ms()
        return sorted(found, key=lambda one: self.circuit(one.url).open_until_ms > now_ms)

    def _failed(self, url: str, cause: str) -> None:
        circuit = self._circuits.setdefault(url, Circuit())
        open_ms = constants.CIRCUIT_OPEN_MS_MIN << min(circuit.failures, 10)
        circuit.failures += 1
        circuit.open_until_ms = self.clock.now_ms() + min(open_ms, constants.CIRCUIT_OPEN_MS_MAX)
        circuit.cause = cause

    def _supports(self, url: str, proof: Proof) -> bool:
        """Tell whether a facilitator supports a payment; True if that is not known."""
        cached = self._supported.get(url)
        if cached is None:
            # The verify call will show it; a call before it would only add latency.
            return True
        body = json.loads(proof.text)
        requirements = body["paymentRequirements"]
        return any(
            isinstance(kind, dict)
            and kind.get("x402Version") == body["x402Version"]
            and kind.get("scheme") == requirements["scheme"]
            and kind.get("network") == requirements["network"]
            for kind in cached[1]
        )

    async def _fetch(
        self, facilitator: Facilitator, step: str, body: str | None, timeout_ms: int
    ) -> Fetched:
        """Send a request, and again with method and body to where it is redirected.

        Credentials are sent only to the facilitator's own origin.
        """
        url = f"{facilitator.url}/{step}"
        deadline_ms, left_ms = self.clock.now_ms() + timeout_ms, timeout_ms
        for _ in range(constants.REDIRECTS_MAX + 1):
            content_type = {} if body is None else {"content-type": "application/json"}
            fetcher: Fetcher = self.environment.fetcher
            if (key := facilitator.key) and facilitator.is_own(url):
                fetcher = self._signing_fetcher(facilitator.url, key)
            fetched = await fetcher.fetch(
                url,
                method="GET" if body is None else "POST",
                headers={**content_type, **facilitator.headers(self.environment, step, url)},
                body=body,
                timeout_ms=left_ms,
                body_bytes_max=constants.FACILITATOR_BODY_BYTES_MAX,
            )
            if fetched.status not in _REDIRECTS:
                return fetched
            target = redirect_target(url, fetched.location)
            if target is None:
                shown = clean(fetched.location) or "no address"
                raise FetchFailed(f"redirects to {shown}, which is not followed")
            url, left_ms = target, deadline_ms - self.clock.now_ms()
            if left_ms <= 0:
                raise FetchFailed("timed out")
        raise FetchFailed(f"redirects more than {constants.REDIRECTS_MAX} times")

    def _signing_fetcher(self, url: str, key: CoinbaseKey) -> Fetcher:
        """Return what signs requests to the facilitator at `url`, and knows its clock."""
        from payments.credentials.coinbase import CoinbaseFetcher  # noqa: PLC0415 (see its package)

        signing = CoinbaseFetcher(self.environment, self.clock, key)
        return self._signing.setdefault(url, signing)


def _is_own_reason(reason: str) -> bool:
    return _CODE.fullmatch(reason) is None or _OWN_REASON.fullmatch(reason) is not None


def _read_verify_result(fetched: Fetched, proof: Proof, url: str) -> VerifyResult:
    document = _document(fetched)
    is_valid = document.get("isValid")
    if type(is_valid) is not bool or fetched.status in _UNUSABLE_STATUSES:
        raise FetchFailed(f"status {fetched.status}, and no result")
    if is_valid and fetched.status != HTTPStatus.OK:
        raise FetchFailed(f"status {fetched.status} with a valid payment")
    if not _is_of(document, "payer", proof.payer, proof.network):
        raise FetchFailed("the result names another payer than the payment")
    reason = _text(document, "invalidReason") or ("" if is_valid else "unexplained")
    message = _text(document, "invalidMessage")
    return VerifyResult(is_valid, reason, message, url, fetched.extensions)


def _read_settle_result(fetched: Fetched, proof: Proof, url: str) -> SettleResult:
    """Read the result of a settle call; a transaction's hash is kept whatever else is wrong.

    Raises `FetchFailed` if there is neither a result nor a hash.
    """
    try:
        document = _document(fetched, is_status_checked=False)
    except FetchFailed:
        document = {}
    found = _text(document, "transaction")
    transaction = found if family_of(proof.network).is_transaction(found) else ""
    success = document.get("success")
    is_result = (
        type(success) is bool
        and fetched.status < HTTPStatus.INTERNAL_SERVER_ERROR
        and fetched.status not in _UNUSABLE_STATUSES
    )
    cause = "" if is_result else f"status {fetched.status}, and no result"
    cause = cause or _contradiction(document, proof)
    if not cause and success and (fetched.status != HTTPStatus.OK or not transaction):
        cause = f"status {fetched.status}, and a success without a transaction"
    if not cause and success and document.get("network") is None:
        cause = "a success without a network"
    if cause and not transaction:
        raise FetchFailed(cause)
    if cause:
        _LOGGER.warning(
            "settle_result_unusable",
            extra=fields(facilitator=url, transaction=transaction, cause=cause),
        )
        return SettleResult(Outcome.UNKNOWN, transaction, "facilitator_unavailable", url)
    if success:
        return SettleResult(Outcome.SETTLED, transaction, "", url, fetched.extensions)
    reason = _text(document, "errorReason")
    is_certain = _REFUSAL.fullmatch(reason) is not None
    if reason.endswith(_FAILED_TRANSACTION):
        is_certain = bool(transaction)
    outcome = Outcome.REFUSED if is_certain else Outcome.UNKNOWN
    return SettleResult(outcome, transaction, reason or "unexplained", url)


def _contradiction(document: Mapping[str, Json], proof: Proof) -> str:
    """Return what in a settle result is of another payment than `proof`; empty if nothing is."""
    amount, network = document.get("amount"), document.get("network")
    is_network = isinstance(network, str) and NETWORKS_V1.get(network, network) == proof.network
    checks = {
        "payer": _is_of(document, "payer", proof.payer, proof.network),
        "asset": _is_of(document, "asset", proof.asset, proof.network),
        "network": network is None or is_network,
        "amount": amount is None or (type(amount) in (str, int) and str(amount) == proof.amount),
    }
    wrong = [name for name, fits in checks.items() if not fits]
    return f"the result names another {wrong[0]} than the payment" if wrong else ""


def _is_of(document: Mapping[str, Json], name: str, address: str, network: str) -> bool:
    """Tell whether a field is absent or empty, or has this address."""
    value = document.get(name)
    if not isinstance(value, str):
        return value is None
    return value == "" or normal_address(network, value) == normal_address(network, address)


def _document(fetched: Fetched, *, is_status_checked: bool = True) -> Mapping[str, Json]:
    if is_status_checked and fetched.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise FetchFailed(f"status {fetched.status}")
    try:
        document = read_json(fetched.body, is_finite=False)
    except ValueError as error:
        raise FetchFailed(f"status {fetched.status}, and no JSON") from error
    if not isinstance(document, dict):
        raise FetchFailed(f"status {fetched.status}, and no JSON object")
    return document


def _text(document: Mapping[str, Json], name: str) -> str:
    value = document.get(name)
    return clean(value) if isinstance(value, str) else ""


def clean(text: str) -> str:
    """Shorten a text from others, and replace what cannot be stored or shown."""
    return UNPRINTABLE.sub("\ufffd", text[: constants.TEXT_LENGTH_MAX]).strip()
