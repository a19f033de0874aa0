"""Invariant 4 while isolates die: one payment, one settlement at most, one served request at most.

Every request here is cut short before or after each of its operations, under each of a
facilitator's faults. Then cron goes on, the payer comes again, and all accounts are compared.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import dataclass

import pytest

from core.ports import ProxyResponse
from payments.reconciliation import compare_day, run
from payments.resolution import resolver_of
from tests.support.fakes import FakeUpstreamResponse
from tests.support.fault_injection import Died
from tests.support.payment_scene import PRICE_MICROS, Market, use_chain

FAULTS = ["", "down", "lost", "500", "nonsense", "pending", "reverted"]
OPERATIONS_MAX = 60


@dataclass
class Accounts:
    """What must be true of one payment's money, whatever happened."""

    market: Market

    def check(self) -> None:
        market = self.market
        transfers = len(market.chain.transfers)
        assert transfers <= 1
        assert len(market.served) <= transfers, "served unpaid, or twice"
        assert market.revenue_micros <= market.entered_micros <= market.moved_micros
        assert sum(event.counted for event in market.events) <= 1

    def check_at_rest(self) -> None:
        """Nothing is left open, and every side says the same."""
        self.check()
        market = self.market
        assert set(market.states) <= {"settled", "failed"}
        assert market.revenue_micros == market.entered_micros == market.moved_micros
        day = market.clock.at_ms // 86_400_000
        resolver = resolver_of(market.environment, market.clock)
        compared = asyncio.run(compare_day(resolver.ledger, market.store, day))
        assert compared["agrees"], compared
        settled = [row for row in market.payments if row["state"] == "settled"]
        assert all(row["reconciled_at_ms"] for row in settled)
        moves = market.database.rows("SELECT from_state, to_state FROM audit ORDER BY line")
        assert all(before["to_state"] == after["from_state"] for before, after in pairs(moves))


def pairs(rows: list[dict[str, str]]) -> list[tuple[dict[str, str], dict[str, str]]]:
    return list(itertools.pairwise(rows))


def cut_short(market: Market, headers: dict[str, str], operations: int) -> bool:
    """Send a request whose isolate dies after so many operations; tell whether it did."""
    fuse = market.fuse(operations)
    try:
        market.ask(headers=headers)
    except Died:
        return True
    finally:
        market.fuse(None)
        market.start()
    return fuse.burnt > operations


@pytest.mark.parametrize("returns", ["at once", "after cron", "never"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_request_may_die_at_every_step(fault: str, returns: str) -> None:
    for operations in range(OPERATIONS_MAX):
        market = Market()
        use_chain(market)
        headers = market.payment()
        market.facilitator.faults["settle"] = [fault]
        died = cut_short(market, headers, operations)
        if returns == "after cron":
            market.cron(2)
        if returns != "never":
            market.ask(headers=headers)
            market.cron()
            market.ask(headers=headers)
        Accounts(market).check()
        market.cron(12)
        if returns != "never":
            market.ask(headers=headers)
        Accounts(market).check_at_rest()
        if returns != "never" and died and market.chain.transfers:
            # Paid for is served, but for the one moment between the last write and the answer.
            assert market.served or market.payments[0]["served"]
        if not died:
            return
    raise AssertionError("more operations than expected")


@pytest.mark.parametrize("fault", FAULTS)
def test_cron_may_die_at_every_step(fault: str) -> None:
    for operations in range(OPERATIONS_MAX):
        market = Market()
        use_chain(market)
        headers = market.payment()
        market.facilitator.faults["settle"] = ["lost" if fault else "down", fault]
        market.ask(headers=headers)
        fuse = market.fuse(operations)
        died = False
        for turn in range(4):
            market.clock.at_ms += 60_000
            try:
                resolver = resolver_of(market.environment, market.clock)
                asyncio.run(run(resolver, f"cron-{turn}"))
            except Died:
                died = True
                break
        assert died == (fuse.left is not None and fuse.burnt > fuse.left)
        market.fuse(None)
        market.start()
        Accounts(market).check()
        market.cron(12)
        market.ask(headers=headers)
        Accounts(market).check_at_rest()
        if not died:
            return


@pytest.mark.parametrize("status", [200, 500])
def test_a_claim_that_died_is_given_up_and_its_payment_is_good_again(status: int) -> None:
    market = Market(reply=FakeUpstreamResponse(status))
    headers = market.payment(validBefore=str(market.clock.at_ms // 1000 + 3_600))
    # Dead between the claim and the script's answer: verify and claim are eight operations.
    assert cut_short(market, headers, 7)
    assert market.states == ["claimed"]
    market.cron(6)
    assert market.states == ["failed"]
    assert market.chain.transfers == []
    answer = market.ask(headers=headers)
    assert isinstance(answer, ProxyResponse)
    assert len(market.chain.transfers) == (1 if status < 400 else 0)


def test_a_request_that_comes_back_after_its_claim_was_given_up_settles_nothing() -> None:
    market = Market()
    headers = market.payment(validBefore=str(market.clock.at_ms // 1000 + 3_600))

    async def scene() -> int:
        market.namespace.gate = asyncio.Event()
        slow = asyncio.ensure_future(market.send(headers=headers))
        await market.namespace.reached.wait()
        market.clock.at_ms += 400_000
        await run(resolver_of(market.environment, market.clock), "cron-1")
        market.namespace.gate.set()
        answer = await slow
        assert not isinstance(answer, ProxyResponse)
        assert json.loads(answer.body)["reason"] == "abandoned"
        return answer.status

    assert asyncio.run(scene()) == 402
    assert (market.states, market.chain.transfers, market.served) == (["failed"], [], [])


def test_two_crons_at_once_ask_once() -> None:
    market = Market()
    market.facilitator.faults["settle"] = ["down"]
    market.ask(headers=market.payment())
    market.clock.at_ms += 60_000

    async def scene() -> None:
        resolver = resolver_of(market.environment, market.clock)
        await asyncio.gather(run(resolver, "cron-1"), run(resolver, "cron-2"))

    asyncio.run(scene())
    assert market.facilitator.asked.count("settle") == 2
    assert (market.states, len(market.chain.transfers)) == (["settled"], 1)
    market.cron(3)
    assert market.revenue_micros == PRICE_MICROS
