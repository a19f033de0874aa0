"""One payment, at most one settlement and one served request, even if isolates die (invariant 4).

The isolate dies before or after each operation of a request, with each fault of a facilitator.
Then cron runs, the payer retries, and all accounts are compared.
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
from tests.support.fault_injection import IsolateDied
from tests.support.payment_scene import PRICE_MICROS, Market, enable_chain

FAULTS = ["", "down", "lost", "500", "nonsense", "pending", "reverted"]
OPERATIONS_MAX = 60


@dataclass
class Accounts:
    """What must be true of the money of one payment."""

    market: Market

    def check(self) -> None:
        market = self.market
        transfers = len(market.chain.transfers)
        assert transfers <= 1
        assert len(market.served) <= transfers, "served without payment, or twice"
        assert market.revenue_micros <= market.entered_micros <= market.moved_micros
        assert sum(event.counted for event in market.events) <= 1

    def check_at_rest(self) -> None:
        """Check that nothing is unresolved, and that all accounts agree."""
        self.check()
        market = self.market
        assert set(market.states) <= {"settled", "failed"}
        assert market.revenue_micros == market.entered_micros == market.moved_micros
        day = market.clock.at_ms // 86_400_000
        resolver = resolver_of(market.environment, market.clock)
        compared = asyncio.run(compare_day(resolver.ledger, market.shards, day))
        assert compared["agrees"], compared
        settled = [row for row in market.payments if row["state"] == "settled"]
        assert all(row["reconciled_at_ms"] for row in settled)
        moves = market.database.rows("SELECT from_state, to_state FROM audit ORDER BY line")
        assert all(before["to_state"] == after["from_state"] for before, after in pairs(moves))


def pairs(rows: list[dict[str, str]]) -> list[tuple[dict[str, str], dict[str, str]]]:
    return list(itertools.pairwise(rows))


def crash(market: Market, headers: dict[str, str], operations: int) -> bool:
    """Send a request whose isolate dies after so many steps; return whether it did."""
    crash_point = market.crash_after(operations)
    try:
        market.call(headers=headers)
    except IsolateDied:
        return True
    finally:
        market.crash_after(None)
        market.start()
    return crash_point.steps > operations


@pytest.mark.parametrize("returns", ["at once", "after cron", "never"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_request_may_crash_at_every_step(fault: str, returns: str) -> None:
    for operations in range(OPERATIONS_MAX):
        market = Market()
        enable_chain(market)
        headers = market.payment()
        market.facilitator.faults["settle"] = [fault]
        died = crash(market, headers, operations)
        if returns == "after cron":
            market.run_cron(2)
        if returns != "never":
            market.call(headers=headers)
            market.run_cron()
            market.call(headers=headers)
        Accounts(market).check()
        market.run_cron(12)
        if returns != "never":
            market.call(headers=headers)
        Accounts(market).check_at_rest()
        if returns != "never" and died and market.chain.transfers:
            # A paid request is served, unless the isolate died after the last write.
            assert market.served or market.payments[0]["served"]
        if not died:
            return
    raise AssertionError("more operations than expected")


@pytest.mark.parametrize("fault", FAULTS)
def test_cron_may_crash_at_every_step(fault: str) -> None:
    for operations in range(OPERATIONS_MAX):
        market = Market()
        enable_chain(market)
        headers = market.payment()
        market.facilitator.faults["settle"] = ["lost" if fault else "down", fault]
        market.call(headers=headers)
        crash_point = market.crash_after(operations)
        died = False
        for turn in range(4):
            market.clock.at_ms += 60_000
            try:
                resolver = resolver_of(market.environment, market.clock)
                asyncio.run(run(resolver, f"cron-{turn}"))
            except IsolateDied:
                died = True
                break
        assert died == (crash_point.after is not None and crash_point.steps > crash_point.after)
        market.crash_after(None)
        market.start()
        Accounts(market).check()
        market.run_cron(12)
        market.call(headers=headers)
        Accounts(market).check_at_rest()
        if not died:
            return


@pytest.mark.parametrize("status", [200, 500])
def test_a_claim_whose_isolate_died_is_abandoned_and_its_payment_may_be_presented_again(
    status: int,
) -> None:
    market = Market(reply=FakeUpstreamResponse(status))
    headers = market.payment(validBefore=str(market.clock.at_ms // 1000 + 3_600))
    # It dies between the claim and dispatch: the eighth step is the one after the claim.
    assert crash(market, headers, 7)
    assert market.states == ["claimed"]
    market.run_cron(6)
    assert market.states == ["failed"]
    assert market.chain.transfers == []
    response = market.call(headers=headers)
    assert isinstance(response, ProxyResponse)
    assert len(market.chain.transfers) == (1 if status < 400 else 0)


def test_a_request_whose_claim_was_abandoned_settles_nothing() -> None:
    market = Market()
    headers = market.payment(validBefore=str(market.clock.at_ms // 1000 + 3_600))

    async def scene() -> int:
        market.namespace.gate = asyncio.Event()
        slow = asyncio.ensure_future(market.send(headers=headers))
        await market.namespace.reached.wait()
        market.clock.at_ms += 400_000
        await run(resolver_of(market.environment, market.clock), "cron-1")
        market.namespace.gate.set()
        response = await slow
        assert not isinstance(response, ProxyResponse)
        assert json.loads(response.body)["reason"] == "abandoned"
        return response.status

    assert asyncio.run(scene()) == 402
    assert (market.states, market.chain.transfers, market.served) == (["failed"], [], [])


def test_two_concurrent_cron_runs_make_one_settle_call() -> None:
    market = Market()
    market.facilitator.faults["settle"] = ["down"]
    market.call(headers=market.payment())
    market.clock.at_ms += 60_000

    async def scene() -> None:
        resolver = resolver_of(market.environment, market.clock)
        await asyncio.gather(run(resolver, "cron-1"), run(resolver, "cron-2"))

    asyncio.run(scene())
    assert market.facilitator.calls.count("settle") == 2
    assert (market.states, len(market.chain.transfers)) == (["settled"], 1)
    market.run_cron(3)
    assert market.revenue_micros == PRICE_MICROS
