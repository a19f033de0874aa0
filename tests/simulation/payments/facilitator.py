"""A worst-case facilitator: it verifies like the official ones, and then settles with faults.

A refusal with a reason is always true. If it does not know the outcome, it may send any response
that the official ones send in that case, invalid data, or no response.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from random import Random

from core.errors import FetchFailed
from core.ports import Fetched, Json
from payments.facilitator import SETTLEMENT_PENDING
from tests.simulation.payments.chain import SimulatedChain, Transaction, signed
from tests.simulation.payments.faults import NO_FAULTS, Faults

_MARGIN_SECONDS = 6
"""The official facilitators refuse authorizations that expire sooner."""
_WAITS_MS = 60_000
"""How long it waits for a transaction to be mined."""
_UNSETTLED = "invalid_exact_evm_transaction_failed"


class SettleFault(Enum):
    """The fault of a settlement."""

    NOTHING = "nothing"
    DOWN = "never called"
    LOST = "settled, and the response is lost"
    ERROR = "settled, and then an internal error"
    NONSENSE = "settled, and then an invalid response"
    NO_TRANSACTION = "a success that names no transaction"
    PENDING = "sent, and not waited for"
    UNSURE = "sent, and then an unknown result"
    GUESS = "sent, and then a failure without a transaction"


_FAULTS = tuple(SettleFault)[1:]
_WORDS = {
    SettleFault.PENDING: SETTLEMENT_PENDING,
    SettleFault.UNSURE: "unexpected_settle_error",
    SettleFault.GUESS: _UNSETTLED,
}
"""Its result for a transaction that it does not wait for."""


@dataclass(slots=True)
class SimulatedFacilitator:
    """One facilitator; `url` identifies it on the chain, `known` has what it sent, by signature."""

    url: str
    network: str
    chain: SimulatedChain
    random: Random
    faults: Faults = NO_FAULTS
    known: dict[str, Transaction] = field(default_factory=dict)
    settle_requests: int = 0

    async def respond(self, step: str, request: Json) -> Fetched:
        """Respond to one request. Raises `FetchFailed` when it is unavailable."""
        random, faults = self.random, self.faults
        if step == "supported":
            return Fetched(404, "not here")
        if random.random() < faults.facilitator_slow:
            await asyncio.sleep(random.uniform(1, 40))
        return await (self._verify(request) if step == "verify" else self._settle(request))

    async def _verify(self, request: Json) -> Fetched:
        random, faults = self.random, self.faults
        if random.random() < faults.verify_fails:
            if random.random() < 0.4:
                raise FetchFailed("timed out")
            return random.choice((Fetched(500, "{}"), Fetched(200, "<html>"), Fetched(200, "[]")))
        reason = self._mismatch(request)
        # Its node may be behind the chain, and verifying reserves nothing.
        if reason is None and random.random() >= faults.facilitator_blind:
            reason = self.chain.refusal(_authorization(request))
        body = {"isValid": reason is None, "payer": _authorization(request)["from"]}
        return _fetched(body if reason is None else {**body, "invalidReason": reason})

    async def _settle(self, request: Json) -> Fetched:
        self.settle_requests += 1
        fault = SettleFault.NOTHING
        if self.random.random() < self.faults.settle_fails:
            fault = self.random.choice(_FAULTS)
        if fault is SettleFault.DOWN:
            raise FetchFailed("Network connection lost.")
        result = await self._do_settle(request, fault)
        if fault is SettleFault.LOST:
            raise FetchFailed("timed out")
        if fault is SettleFault.ERROR:
            return Fetched(500, '{"error":"internal"}')
        if fault is SettleFault.NONSENSE:
            return Fetched(200, "<html>not JSON</html>")
        if fault is SettleFault.NO_TRANSACTION and result["success"]:
            return _fetched({**result, "transaction": ""})
        return _fetched(result)

    async def _do_settle(self, request: Json, fault: SettleFault) -> Mapping[str, Json]:
        signature = request["paymentPayload"]["payload"]["signature"]
        if self.random.random() < self.faults.facilitator_forgets:
            # Another instance responds, which does not know what the first one sent.
            self.known.pop(signature, None)
        transaction = self.known.get(signature)
        if transaction is None or (transaction.mined.done() and not transaction.mined.result()):
            refusal = self._mismatch(request) or self.chain.refusal(_authorization(request))
            if refusal is not None:
                return self._result(request, refusal)
            transaction = self.chain.send(_authorization(request), self.url)
            self.known[signature] = transaction
        words = _WORDS.get(fault)
        if words is None:
            return await self._wait(request, transaction)
        return self._result(
            request, words, transaction.hash if fault is SettleFault.PENDING else ""
        )

    async def _wait(self, request: Json, transaction: Transaction) -> Mapping[str, Json]:
        """Wait for a transaction to be mined, and return the result."""
        mined = transaction.mined
        reason: str | None = SETTLEMENT_PENDING
        if not mined.done():
            await asyncio.wait([mined], timeout=_WAITS_MS / 1000)
        if mined.done():
            reason = None if mined.result() else _UNSETTLED
        return self._result(request, reason, transaction.hash)

    def _mismatch(self, request: Json) -> str | None:
        """Return why a payment does not meet its requirements, if so."""
        payment, wanted = request["paymentPayload"]["payload"], request["paymentRequirements"]
        authorization = payment["authorization"]
        amount = wanted.get("amount", wanted.get("maxAmountRequired"))
        soonest = int(self.chain.loop.now_ms) // 1000 + _MARGIN_SECONDS
        checks = {
            "invalid_exact_evm_payload_signature": payment["signature"] != signed(authorization),
            "invalid_exact_evm_payload_recipient_mismatch": authorization["to"].lower()
            != wanted["payTo"].lower(),
            "invalid_exact_evm_payload_authorization_value_mismatch": authorization["value"]
            != amount,
            "invalid_exact_evm_payload_authorization_valid_before": int(
                authorization["validBefore"]
            )
            < soonest,
        }
        return next((reason for reason, fails in checks.items() if fails), None)

    def _result(
        self, request: Json, reason: str | None, transaction: str = ""
    ) -> Mapping[str, Json]:
        result: dict[str, Json] = {
            "success": reason is None,
            "transaction": transaction,
            "network": self.network,
            "payer": _authorization(request)["from"],
        }
        return result if reason is None else {**result, "errorReason": reason}


def _authorization(request: Json) -> Mapping[str, Json]:
    found: Mapping[str, Json] = request["paymentPayload"]["payload"]["authorization"]
    return found


def _fetched(body: Mapping[str, Json]) -> Fetched:
    return Fetched(200, json.dumps(body))
