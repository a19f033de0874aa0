"""The client of x402 facilitators, which verify and settle payments.

A settle call counts as refused only if that is certain. After a timeout, a 5xx response, an
unreadable response or `settlement_pending`, money may have moved, and the outcome is unknown.

Source: the specification of x402 version 2, sections 5.3, 5.4, 7 and 9, and
the error codes of the official facilitators (packages x402 and @x402/evm).
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
from core.errors import FetchFailed
from core.logs import fields
from core.ports import Clock, Environment, Fetched, Fetcher, Json
from core.safe_json import read_json
from payments.requirements import NETWORKS_V1, facilitator_urls

SETTLEMENT_PENDING = "settlement_pending"
_LOGGER = logging.getLogger(__name__)
_REFUSAL = re.compile(r"(?:invalid|insufficient|unsupported)_[a-z0-9_]+|network_mismatch")
"""Codes for a payment that was rejected before anything was sent to the chain. Any other text
leaves the outcome unknown: some official facilitators put an exception's message there."""

_FAILED_TRANSACTION = ("transaction_failed", "invalid_transaction_state", "transfer_event_mismatch")
"""Suffixes of reasons that are certain only together with a transaction's hash."""


class NoFacilitator(Exception):
    """No facilitator verified the payment; the message has the cause for each."""

    def __init__(self, causes: Sequence[str]) -> None:
        """Take one cause for each facilitator."""
        super().__init__("; ".join(causes) or "no facilitator supports this payment")


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """The result of a verify call."""

    is_valid: bool
    reason: str
    message: str
    facilitator: str


class Outcome(Enum):
    """Whether the money moved."""

    SETTLED = "settled"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SettleResult:
    """The result of a settle call; `transaction` may be empty."""

    outcome: Outcome
    transaction: str
    reason: str
    facilitator: str


@dataclass(slots=True)
class Facilitators:
    """The facilitators of this deployment; one object per isolate."""

    environment: Environment
    clock: Clock
    _supported: dict[str, tuple[int, Json]] = field(default_factory=dict)

    async def verify(self, proof: Mapping[str, Json], payer: str) -> VerifyResult:
        """Verify a payment of `payer` with the first facilitator that responds.

        `proof` is what `PaymentPayload.proof` returns. Raises `NoFacilitator` if none
        responds, and `ConfigurationError`.
        """
        causes = []
        for url in facilitator_urls(self.environment):
            if not await self._supports(url, proof):
                causes.append(f"{url} does not support it")
                continue
            try:
                fetched = await self._post(f"{url}/verify", proof, constants.VERIFY_TIMEOUT_MS)
                return _read_verify_result(fetched, payer, url)
            except FetchFailed as error:
                causes.append(f"{url}/verify: {error}")
        raise NoFacilitator(causes)

    async def settle(self, proof: Mapping[str, Json], url: str) -> SettleResult:
        """Call `/settle` of the facilitator at `url`; `proof` is as for `verify`.

        Raises nothing: if the call fails, the outcome is unknown.
        """
        try:
            fetched = await self._post(f"{url}/settle", proof, constants.SETTLE_TIMEOUT_MS)
            return _read_settle_result(fetched, proof["paymentRequirements"], url)
        except FetchFailed as error:
            # Whatever failed, the money may have moved.
            _LOGGER.warning(
                "facilitator_call_failed",
                extra=fields(facilitator=url, step="settle", cause=str(error)),
            )
            return SettleResult(Outcome.UNKNOWN, "", "facilitator_unavailable", url)

    async def supported(self, url: str) -> Json:
        """Return the kinds of payment that a facilitator supports, cached for 10 minutes.

        Raises `FetchFailed`.
        """
        now_ms = self.clock.now_ms()
        cached = self._supported.get(url)
        if cached is not None and now_ms - cached[0] < constants.SUPPORTED_CACHE_SECONDS * 1000:
            return cached[1]
        fetched = await self._fetcher.fetch(
            f"{url}/supported",
            method="GET",
            headers=self._headers(),
            body=None,
            timeout_ms=constants.SUPPORTED_TIMEOUT_MS,
            body_bytes_max=constants.FACILITATOR_BODY_BYTES_MAX,
        )
        document = _document(fetched)
        if fetched.status != HTTPStatus.OK or not isinstance(document.get("kinds"), list):
            raise FetchFailed(f"status {fetched.status}, and no list of kinds")
        self._supported[url] = (now_ms, document["kinds"])
        return document["kinds"]

    async def _supports(self, url: str, proof: Mapping[str, Json]) -> bool:
        """Tell whether a facilitator supports a payment; True if that is not known."""
        cached = self._supported.get(url)
        if cached is None:
            # The verify call will show it; a call before it would only add latency.
            return True
        requirements = proof["paymentRequirements"]
        return any(
            isinstance(kind, dict)
            and kind.get("x402Version") == proof["x402Version"]
            and kind.get("scheme") == requirements["scheme"]
            and kind.get("network") == requirements["network"]
            for kind in cached[1]
        )

    async def _post(self, url: str, proof: Mapping[str, Json], timeout_ms: int) -> Fetched:
        return await self._fetcher.fetch(
            url,
            method="POST",
            headers={"content-type": "application/json", **self._headers()},
            body=json.dumps(proof, separators=(",", ":")),
            timeout_ms=timeout_ms,
            body_bytes_max=constants.FACILITATOR_BODY_BYTES_MAX,
        )

    @property
    def _fetcher(self) -> Fetcher:
        return self.environment.fetcher

    def _headers(self) -> Mapping[str, str]:
        key = self.environment.setting("FACILITATOR_API_KEY")
        return {} if key is None else {"authorization": f"Bearer {key}"}


def _read_verify_result(fetched: Fetched, payer: str, url: str) -> VerifyResult:
    document = _document(fetched)
    is_valid = document.get("isValid")
    if type(is_valid) is not bool:
        raise FetchFailed(f"status {fetched.status}, and no result")
    named_payer = document.get("payer")
    if is_valid and isinstance(named_payer, str) and named_payer.lower() != payer:
        raise FetchFailed("the result names another payer than the payment")
    reason = _text(document, "invalidReason") or ("" if is_valid else "unexplained")
    return VerifyResult(is_valid, reason, _text(document, "invalidMessage"), url)


def _read_settle_result(
    fetched: Fetched, requirements: Mapping[str, Json], url: str
) -> SettleResult:
    document = _document(fetched)
    success = document.get("success")
    if type(success) is not bool:
        raise FetchFailed(f"status {fetched.status}, and no result")
    transaction = _text(document, "transaction")
    reason = _text(document, "errorReason")
    if not success:
        is_certain = _REFUSAL.fullmatch(reason) is not None
        if reason.endswith(_FAILED_TRANSACTION):
            is_certain = bool(transaction)
        outcome = Outcome.REFUSED if is_certain else Outcome.UNKNOWN
        return SettleResult(outcome, transaction, reason or "unexplained", url)
    network = _text(document, "network")
    if not transaction or NETWORKS_V1.get(network, network) != NETWORKS_V1.get(
        requirements["network"], requirements["network"]
    ):
        raise FetchFailed("a success without a transaction on the required network")
    amount = document.get("amount")
    demanded = requirements.get("amount", requirements.get("maxAmountRequired"))
    if amount is not None and str(amount) != demanded:
        raise FetchFailed(f"a success with the amount {amount!r} instead of {demanded}")
    return SettleResult(Outcome.SETTLED, transaction, "", url)


def _document(fetched: Fetched) -> Mapping[str, Json]:
    if fetched.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise FetchFailed(f"status {fetched.status}")
    try:
        document = read_json(fetched.body)
    except ValueError as error:
        raise FetchFailed(f"status {fetched.status}, and no JSON") from error
    if not isinstance(document, dict):
        raise FetchFailed(f"status {fetched.status}, and no JSON object")
    return document


def _text(document: Mapping[str, Json], name: str) -> str:
    value = document.get(name)
    return value[: constants.TEXT_LENGTH_MAX] if isinstance(value, str) else ""
