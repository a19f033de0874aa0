"""What facilitators say about a payment: good or not, settled or not, or nothing at all.

Owns asking them, in order and within time limits, and what each answer means.
"Failed" is said only when it is known: a timeout, an answer of 5xx, nonsense
and `settlement_pending` all leave it open whether money moved.

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
"""Codes that say what is wrong with a payment, so that nothing was sent. Anything else leaves
it open: some official facilitators put the words of an exception there."""

_FAILED_TRANSACTION = ("transaction_failed", "invalid_transaction_state", "transfer_event_mismatch")
"""Ends of reasons that are certain with the hash of a transaction, and a guess without."""


class NoFacilitator(Exception):
    """No facilitator gave a verdict; `causes` says what each did instead."""

    def __init__(self, causes: Sequence[str]) -> None:
        """Take one sentence for each facilitator that was asked."""
        super().__init__("; ".join(causes) or "no facilitator supports this payment")


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What a facilitator says of a payment before it is settled."""

    is_valid: bool
    reason: str
    message: str
    facilitator: str


class Outcome(Enum):
    """What became of the money, as far as is known."""

    SETTLED = "settled"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SettleResult:
    """What a facilitator says of settling a payment; `transaction` may be empty."""

    outcome: Outcome
    transaction: str
    reason: str
    facilitator: str


@dataclass(slots=True)
class Facilitators:
    """Asks the facilitators that the deployment names; one lives as long as an isolate."""

    environment: Environment
    clock: Clock
    _supported: dict[str, tuple[int, Json]] = field(default_factory=dict)

    async def verify(self, proof: Mapping[str, Json], payer: str) -> VerifyResult:
        """Ask whether a payment of `payer` is good; the first verdict counts.

        Raises `NoFacilitator` when nobody gives one, and `ConfigurationError`.
        """
        causes = []
        for url in facilitator_urls(self.environment):
            if not await self._supports(url, proof):
                causes.append(f"{url} does not support it")
                continue
            try:
                fetched = await self._post(f"{url}/verify", proof, constants.VERIFY_TIMEOUT_MS)
                return _verdict(fetched, payer, url)
            except FetchFailed as error:
                causes.append(f"{url}/verify: {error}")
        raise NoFacilitator(causes)

    async def settle(self, proof: Mapping[str, Json], url: str) -> SettleResult:
        """Have the facilitator at `url` settle a payment; never raises for what it answers."""
        try:
            fetched = await self._post(f"{url}/settle", proof, constants.SETTLE_TIMEOUT_MS)
            return _settling(fetched, proof["paymentRequirements"], url)
        except FetchFailed as error:
            # Whatever went wrong, the money may have moved all the same.
            _LOGGER.warning(
                "facilitator_silent", extra=fields(facilitator=url, step="settle", cause=str(error))
            )
            return SettleResult(Outcome.UNKNOWN, "", "facilitator_unavailable", url)

    async def supported(self, url: str) -> Json:
        """Ask which kinds of payment a facilitator supports; kept for a while.

        Raises `FetchFailed`.
        """
        now_ms = self.clock.now_ms()
        known = self._supported.get(url)
        if known is not None and now_ms - known[0] < constants.SUPPORTED_CACHE_SECONDS * 1000:
            return known[1]
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
        """Tell whether a facilitator may be asked: it says so, or says nothing."""
        known = self._supported.get(url)
        if known is None:
            # The question itself will show; a second one before it would only cost time.
            return True
        wanted = proof["paymentRequirements"]
        return any(
            isinstance(kind, dict)
            and kind.get("x402Version") == proof["x402Version"]
            and kind.get("scheme") == wanted["scheme"]
            and kind.get("network") == wanted["network"]
            for kind in known[1]
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


def _verdict(fetched: Fetched, payer: str, url: str) -> VerifyResult:
    document = _document(fetched)
    is_valid = document.get("isValid")
    if type(is_valid) is not bool:
        raise FetchFailed(f"status {fetched.status}, and no verdict")
    named = document.get("payer")
    if is_valid and isinstance(named, str) and named.lower() != payer:
        raise FetchFailed("the payer is another one than the payment's")
    reason = _text(document, "invalidReason") or ("" if is_valid else "unexplained")
    return VerifyResult(is_valid, reason, _text(document, "invalidMessage"), url)


def _settling(fetched: Fetched, wanted: Mapping[str, Json], url: str) -> SettleResult:
    document = _document(fetched)
    success = document.get("success")
    if type(success) is not bool:
        raise FetchFailed(f"status {fetched.status}, and no word of success")
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
        wanted["network"], wanted["network"]
    ):
        raise FetchFailed("a success without a transaction on the network that was asked for")
    amount = document.get("amount")
    demanded = wanted.get("amount", wanted.get("maxAmountRequired"))
    if amount is not None and str(amount) != demanded:
        raise FetchFailed(f"a success over {amount!r}; {demanded} was asked for")
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
