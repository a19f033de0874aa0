"""Traffic before the fuzzing, so that there is data to read: calls, payments, errors."""

from tests.e2e.caller import eventually
from tests.e2e.market import Market, is_served

PAYMENTS = 3
FREE_CALLS = 150
"""More than the default page of events holds."""


def make_traffic(market: Market) -> None:
    """Call free and priced APIs, and return when all calls are readable."""
    wallet = market.wallet()
    for _ in range(PAYMENTS):
        assert is_served(market.send(market.signed(wallet)))
    assert market.send(None).status_code == 402
    assert market.caller.ask("/t/missing/").status_code == 404
    for number in range(FREE_CALLS):
        headers = {"x-agent-id": f"agent-{number % 20}"}
        assert market.caller.ask("/t/given/", headers=headers).status_code == 200
    eventually(
        lambda: len(market.caller.events("given")) >= FREE_CALLS, "the events of the free calls"
    )
    settlements = market.caller.platform("settlements")["settlements"]
    assert len(settlements) >= PAYMENTS
