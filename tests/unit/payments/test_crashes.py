"""One payment, at most one settlement and one served request, even if isolates die (invariant 4).

The isolate dies before or after each operation of a request, with each fault of a facilitator.
Then cron runs, the payer returns, and all accounts are compared. docs/payments.md lists what
happens after each step.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import product

import pytest

from core import constants
from core.ports import ProxyResponse, Response
from payments.reconciliation import compare_day, run
from payments.resolution import resolver_of
from tests.support.fakes import FakeUpstreamResponse
from tests.support.fault_injection import IsolateDied
from tests.support.payment_scene import (
    PRICE_MICROS,
    Market,
    asking,
    enable_chain,
    error_body,
    upto_market,
    upto_payment,
)

FAULTS = ["", "down", "lost", "500", "nonsense", "pending", "reverted"]
OPERATIONS_MAX = 60
LONG = 3_600
"""Seconds: the validity of an authorization that outlives all leases."""


@dataclass
class Accounts:
    """What must be true of the money of one payment."""

    market: Market
    served_max: int = 1
    """2 if the isolate died after its response and before it recorded that."""

    def check(self) -> None:
        market = self.market
        transfers = len(market.chain.transfers)
        assert transfers <= 1
        assert len(market.served) <= transfers * self.served_max, "served unpaid, or twice"
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
        compared = asyncio.run(compare_day(resolver.ledger, resolver.archive, market.shards, day))
        assert compared["agrees"], compared
        settled = [row for row in market.payments if row["state"] == "settled"]
        assert all(row["reconciled_at_ms"] for row in settled)


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


@pytest.mark.parametrize(
    ("scheme", "fault", "returns"),
    [
        *product(["exact"], FAULTS, ["at once", "after the lease", "after cron", "never"]),
        *product(["upto"], ["", "down", "lost"], ["after the lease", "after cron"]),
    ],
)
def test_a_request_may_crash_at_every_step(scheme: str, fault: str, returns: str) -> None:
    for operations in range(OPERATIONS_MAX):
        market = Market() if scheme == "exact" else upto_market()
        enable_chain(market)
        end = str(market.clock.at_ms // 1000 + LONG)
        headers = (
            market.payment(validBefore=end)
            if scheme == "exact"
            else upto_payment(market, deadline=end)
        )
        market.reply = asking('{"amount": "2500"}')
        market.facilitator.faults["settle"] = [fault]
        died = crash(market, headers, operations)
        accounts = Accounts(market, served_max=1 + (died and bool(market.served)))
        # What was asked for once stays the same, whatever the script says later.
        market.reply = asking('{"amount": "9000"}')
        if returns == "after the lease":
            market.clock.at_ms += constants.CLAIM_LEASE_MS
        if returns == "after cron":
            market.run_cron(3)
        if returns != "never":
            market.call(headers=headers)
            market.run_cron()
            market.call(headers=headers)
        accounts.check()
        market.run_cron(6)
        if returns != "never":
            market.call(headers=headers)
            market.clock.at_ms += 60_000
            market.call(headers=headers)
        market.run_cron(60)
        accounts.check_at_rest()
        if returns != "never":
            # Whoever pays and comes back is served, whatever happened.
            assert len(market.chain.transfers) == 1
            assert market.served
            assert market.payments[0]["served"]
        if not died:
            return
    raise AssertionError("more operations than expected")


@pytest.mark.parametrize("fault", FAULTS)
def test_cron_may_crash_at_every_step(fault: str) -> None:
    for operations in range(OPERATIONS_MAX):
        market = Market()
        enable_chain(market)
        headers = market.payment()
        market.facilitator.faults["settle"] = [fault or "lost"]
        market.shards.unavailable = {0}
        market.call(headers=headers)
        market.shards.unavailable = set()
        crash_point = market.crash_after(operations)
        died = False
        for _ in range(4):
            market.clock.at_ms += 60_000
            try:
                asyncio.run(run(resolver_of(market.environment, market.clock)))
            except IsolateDied:
                died = True
                break
        assert died == (crash_point.after is not None and crash_point.steps > crash_point.after)
        market.crash_after(None)
        market.start()
        Accounts(market).check()
        market.run_cron(12)
        market.call(headers=headers)
        market.run_cron(2)
        Accounts(market).check_at_rest()
        if not died:
            return


@pytest.mark.parametrize("operations", range(OPERATIONS_MAX))
def test_a_payer_who_was_not_served_because_the_isolate_died_late_is_served_after_the_lease(
    operations: int,
) -> None:
    market = Market()
    enable_chain(market)
    market.facilitator.faults["settle"] = ["lost"]
    headers = market.payment()
    market.call(headers=headers)
    market.run_cron(2)
    assert (market.states, market.served) == (["settled"], [])
    died = crash(market, headers, operations)
    served_before = len(market.served)
    if not died:
        assert served_before == 1
        return
    market.run_cron(4)
    market.call(headers=headers)
    assert served_before < 2
    assert len(market.served) in (1, 1 + served_before)
    assert isinstance(market.call(headers=headers), Response)
    market.run_cron(2)
    Accounts(market, served_max=2).check_at_rest()


@pytest.mark.parametrize("status", [200, 302, 500])
def test_a_payment_whose_isolate_died_before_the_script_may_be_presented_again(
    status: int,
) -> None:
    market = Market(reply=FakeUpstreamResponse(status))
    enable_chain(market)
    headers = market.payment(validBefore=str(market.clock.at_ms // 1000 + LONG))
    # The sixth step is the one before the script.
    assert crash(market, headers, 4)
    assert market.states == ["claimed"]
    error_body(market.call(headers=headers), 409, "payment_in_progress")
    market.run_cron(6)
    assert (market.states, market.chain.transfers) == (["pending"], [])
    market.clock.at_ms += 60_000
    response = market.call(headers=headers)
    assert isinstance(response, ProxyResponse)
    assert (len(market.chain.transfers), len(market.served)) == (
        (1, 1) if status == 200 else (0, len(market.served))
    )
    assert market.revenue_micros == market.entered_micros == market.moved_micros


def test_a_request_slower_than_its_lease_is_served_if_its_payer_waits() -> None:
    market = Market()
    headers = market.payment(validBefore=str(market.clock.at_ms // 1000 + LONG))

    async def scene() -> Response | ProxyResponse:
        market.namespace.gate = asyncio.Event()
        slow = asyncio.ensure_future(market.send(headers=headers))
        await market.namespace.reached.wait()
        market.clock.at_ms += 10 * constants.CLAIM_LEASE_MS
        await run(resolver_of(market.environment, market.clock))
        market.namespace.gate.set()
        return await slow

    assert isinstance(asyncio.run(scene()), ProxyResponse)
    assert (market.states, len(market.chain.transfers), len(market.served)) == (["settled"], 1, 1)
    assert market.revenue_micros == PRICE_MICROS


@pytest.mark.parametrize("status", [200, 500])
def test_a_request_whose_payment_was_taken_over_is_not_served(status: int) -> None:
    market = Market()
    enable_chain(market)
    headers = market.payment(validBefore=str(market.clock.at_ms // 1000 + LONG))

    async def scene() -> tuple[Response | ProxyResponse, Response | ProxyResponse]:
        market.namespace.gate = asyncio.Event()
        slow = asyncio.ensure_future(market.send(headers=headers))
        await market.namespace.reached.wait()
        market.clock.at_ms += constants.CLAIM_LEASE_MS
        gate, market.namespace.gate = market.namespace.gate, None
        fast = await market.send(headers=headers)
        market.reply = market.namespace.response = FakeUpstreamResponse(status)
        gate.set()
        return await slow, fast

    slow, fast = asyncio.run(scene())
    assert isinstance(fast, ProxyResponse)
    if status == 200:
        error_body(slow, 503, "facilitator_unavailable")
    else:
        assert isinstance(slow, ProxyResponse)
        assert "payment-response" not in dict(slow.set_headers)
    market.run_cron(3)
    assert (market.states, len(market.chain.transfers), len(market.served)) == (["settled"], 1, 1)
    assert market.revenue_micros == market.entered_micros == PRICE_MICROS


def test_if_the_slow_request_settles_first_the_other_one_is_served_later() -> None:
    market = Market()
    enable_chain(market)
    headers = market.payment(validBefore=str(market.clock.at_ms // 1000 + LONG))

    async def scene() -> tuple[Response | ProxyResponse, Response | ProxyResponse]:
        gates = [asyncio.Event(), asyncio.Event()]
        requests = []
        for gate in gates:
            market.namespace.reached.clear()
            market.namespace.gate = gate
            requests.append(asyncio.ensure_future(market.send(headers=headers)))
            await market.namespace.reached.wait()
            market.clock.at_ms += constants.CLAIM_LEASE_MS
        gates[0].set()
        first = await requests[0]
        gates[1].set()
        return first, await requests[1]

    first, second = asyncio.run(scene())
    error_body(first, 409, "payment_in_progress")
    error_body(second, 503, "facilitator_unavailable")
    assert (market.states, len(market.chain.transfers), market.served) == (["settled"], 1, [])
    market.namespace.gate = None
    assert isinstance(market.call(headers=headers), ProxyResponse)
    market.run_cron(3)
    Accounts(market).check_at_rest()


def test_a_repeated_settle_request_that_is_refused_leaves_it_pending() -> None:
    market = Market()
    headers = market.payment(validBefore=str(market.clock.at_ms // 1000 + LONG))
    market.facilitator.faults["settle"] = ["down", "refused:invalid_exact_evm_nonce_already_used"]
    error_body(market.call(headers=headers), 503, "facilitator_unavailable")
    market.clock.at_ms += 60_000
    error_body(market.call(headers=headers), 503, "facilitator_unavailable")
    assert (market.states, market.facilitator.calls.count("settle")) == (["pending"], 2)


def test_two_concurrent_cron_runs_record_one_settlement() -> None:
    market = Market()
    enable_chain(market)
    market.facilitator.faults["settle"] = ["lost"]
    market.call(headers=market.payment())
    market.clock.at_ms += 60_000

    async def scene() -> None:
        resolver = resolver_of(market.environment, market.clock)
        await asyncio.gather(run(resolver), run(resolver))

    asyncio.run(scene())
    assert market.facilitator.calls.count("settle") == 1
    assert (market.states, len(market.chain.transfers)) == (["settled"], 1)
    market.run_cron(3)
    assert market.revenue_micros == PRICE_MICROS
