"""Traffic before the fuzzing, so that there is data to read: calls, payments, errors."""

from tests.e2e.caller import eventually
from tests.e2e.paid_dispatcher import PaidDispatcher, is_served

PAYMENTS = 3
FREE_CALLS = 150
"""More than the default page of events holds."""


def make_traffic(paid_dispatcher: PaidDispatcher) -> None:
    """Call free and priced APIs, and return when all calls are readable."""
    wallet = paid_dispatcher.wallet()
    for _ in range(PAYMENTS):
        assert is_served(paid_dispatcher.send(paid_dispatcher.signed(wallet)))
    assert paid_dispatcher.send(None).status_code == 402
    assert paid_dispatcher.caller.request("/t/missing/").status_code == 404
    for number in range(FREE_CALLS):
        headers = {"x-agent-id": f"agent-{number % 20}"}
        assert paid_dispatcher.caller.request("/t/given/", headers=headers).status_code == 200
    eventually(
        lambda: len(paid_dispatcher.caller.events("given")) >= FREE_CALLS,
        "events of the free calls",
    )
    settlements = paid_dispatcher.caller.platform("settlements")["settlements"]
    assert len(settlements) >= PAYMENTS
