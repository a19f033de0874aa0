"""A worst-case facilitator: it verifies like the official ones, and then settles with faults.

It never lies about what it knows: a refusal with a reason is true. For what it does not know, it
may use any response that the official ones use for that, invalid data, or no response.
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
from tests.simulation.payments.faults import CALM, Faults

_MARGIN_SECONDS = 6
"""The official facilitators refuse authorizations that expire sooner."""
_WAITS_MS = 60_000
"""How long it waits for a transaction to be mined."""
_UNSETTLED = "invalid_exact_evm_transaction_failed"


class Fate(Enum):
    """The fault of a settlement."""

    NOTHING = "nothing"
    DOWN = "not asked at all"
    LOST = "settled, and the answer is lost"
    ERROR = "settled, and then an error of its own"
    NONSENSE = "settled, and then rubbish"
    NO_TRANSACTION = "a success that names no transaction"
    PENDING = "sent, and not waited for"
    UNSURE = "sent, and then a word for not knowing"
    GUESS = "sent, and then a failure without a transaction"


_FAULTS = tuple(Fate)[1:]
_WORDS = {
    Fate.PENDING: SETTLEMENT_PENDING,
    Fate.UNSURE: "unexpected_settle_error",
    Fate.GUESS: _UNSETTLED,
}
"""Its result for a transaction that it does not wait for."""


@dataclass(slots=True)
class SimulatedFacilitator:
    """One facilitator; `url` identifies it on the chain, `known` has what it sent, by signature."""

    url: str
    network: str
    chain: SimulatedChain
    random: Random
    faults: Faults = CALM
    known: dict[str, Transaction] = field(default_factory=dict)
    asked_to_settle: int = 0

    async def answer(self, step: str, asked: Json) -> Fetched:
        """Respond to one request. Raises `FetchFailed` when it is unavailable."""
        random, faults = self.random, self.faults
        if step == "supported":
            return Fetched(404, "not here")
        if random.random() < faults.facilitator_slow:
            await asyncio.sleep(random.uniform(1, 40))
        return await (self._verify(asked) if step == "verify" else self._settle(asked))

    async def _verify(self, asked: Json) -> Fetched:
        random, faults = self.random, self.faults
        if random.random() < faults.verify_fails:
            if random.random() < 0.4:
                raise FetchFailed("timed out")
            return random.choice((Fetched(500, "{}"), Fetched(200, "<html>"), Fetched(200, "[]")))
        reason = self._misfit(asked)
        # Its node may be behind the chain, and verifying reserves nothing.
        if reason is None and random.random() >= faults.facilitator_blind:
            reason = self.chain.refusal(_authorization(asked))
        body = {"isValid": reason is None, "payer": _authorization(asked)["from"]}
        return _fetched(body if reason is None else {**body, "invalidReason": reason})

    async def _settle(self, asked: Json) -> Fetched:
        self.asked_to_settle += 1
        fate = Fate.NOTHING
        if self.random.random() < self.faults.settle_fails:
            fate = self.random.choice(_FAULTS)
        if fate is Fate.DOWN:
            raise FetchFailed("Network connection lost.")
        said = await self._do_settle(asked, fate)
        if fate is Fate.LOST:
            raise FetchFailed("timed out")
        if fate is Fate.ERROR:
            return Fetched(500, '{"error":"internal"}')
        if fate is Fate.NONSENSE:
            return Fetched(200, "<html>not what you think</html>")
        if fate is Fate.NO_TRANSACTION and said["success"]:
            return _fetched({**said, "transaction": ""})
        return _fetched(said)

    async def _do_settle(self, asked: Json, fate: Fate) -> Mapping[str, Json]:
        signature = asked["paymentPayload"]["payload"]["signature"]
        if self.random.random() < self.faults.facilitator_forgets:
            # Another instance responds, which does not know what the first one sent.
            self.known.pop(signature, None)
        transaction = self.known.get(signature)
        if transaction is None or (transaction.mined.done() and not transaction.mined.result()):
            refusal = self._misfit(asked) or self.chain.refusal(_authorization(asked))
            if refusal is not None:
                return self._said(asked, refusal)
            transaction = self.chain.send(_authorization(asked), self.url)
            self.known[signature] = transaction
        words = _WORDS.get(fate)
        if words is None:
            return await self._wait(asked, transaction)
        return self._said(asked, words, transaction.hash if fate is Fate.PENDING else "")

    async def _wait(self, asked: Json, transaction: Transaction) -> Mapping[str, Json]:
        """Wait for a transaction to be mined, and return the result."""
        mined = transaction.mined
        reason: str | None = SETTLEMENT_PENDING
        if not mined.done():
            await asyncio.wait([mined], timeout=_WAITS_MS / 1000)
        if mined.done():
            reason = None if mined.result() else _UNSETTLED
        return self._said(asked, reason, transaction.hash)

    def _misfit(self, asked: Json) -> str | None:
        """Return why a payment does not meet its requirements, if so."""
        payment, wanted = asked["paymentPayload"]["payload"], asked["paymentRequirements"]
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

    def _said(self, asked: Json, reason: str | None, transaction: str = "") -> Mapping[str, Json]:
        said: dict[str, Json] = {
            "success": reason is None,
            "transaction": transaction,
            "network": self.network,
            "payer": _authorization(asked)["from"],
        }
        return said if reason is None else {**said, "errorReason": reason}


def _authorization(asked: Json) -> Mapping[str, Json]:
    found: Mapping[str, Json] = asked["paymentPayload"]["payload"]["authorization"]
    return found


def _fetched(body: Mapping[str, Json]) -> Fetched:
    return Fetched(200, json.dumps(body))
