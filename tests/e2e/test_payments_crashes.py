"""If the Worker is killed at any step, a payment is charged and served at most once."""

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from dev.economy import Economy

from .caller import eventually
from .conftest import TOKEN, Starter
from .fault_proxy import FaultProxy
from .faults import Call, Response, pass_on
from .paid_dispatcher import (
    BEYOND_LEASE_SECONDS,
    BEYOND_TIMEOUT_SECONDS,
    PRICE,
    PaidDispatcher,
    is_served,
    open_paid_dispatcher,
    priced_directory,
)

Record = Callable[[str, object], None]

PATH = "sold/?wait_ms=700"


class Halt:
    """Holds a call to the facilitator, before or after its success, until `resume` is set."""

    def __init__(self, *, has_succeeded: bool) -> None:
        self._has_succeeded = has_succeeded
        self.is_reached = threading.Event()
        self.resume = threading.Event()

    def __call__(self, call: Call) -> Response:
        response = pass_on(call) if self._has_succeeded else None
        self.is_reached.set()
        self.resume.wait(30)
        return response or pass_on(call)


STEPS = {
    "before verification": ("/verify", False),
    "after verification": ("/verify", True),
    "before settlement": ("/settle", False),
    "after settlement": ("/settle", True),
}
"""At which call the dispatcher is killed: its path, and whether the call has succeeded."""


@pytest.mark.parametrize("step", [*STEPS, "while the script runs", "right after the response"])
def test_a_payment_survives_a_crash_of_its_isolate(
    start: Starter,
    economy: Economy,
    fault_proxy: FaultProxy,
    tmp_path: Path,
    record_property: Record,
    step: str,
) -> None:
    settings = {**economy.settings(), "FACILITATOR_URL": fault_proxy.url}
    served = 0
    halt = Halt(has_succeeded=False)
    with (
        start(tmp_path, priced_directory(), settings) as server,
        open_paid_dispatcher(server, economy, fault_proxy, tmp_path, TOKEN) as paid_dispatcher,
    ):
        wallet = paid_dispatcher.wallet()
        payment = paid_dispatcher.signed(wallet, PATH)
        if step in STEPS:
            path, has_succeeded = STEPS[step]
            halt = Halt(has_succeeded=has_succeeded)
            fault_proxy.then(path, halt)
        response = paid_dispatcher.begin(lambda: paid_dispatcher.send(payment, PATH))
        if step in STEPS:
            assert halt.is_reached.wait(30)
        elif step == "while the script runs":
            eventually(lambda: paid_dispatcher.records.states(wallet) == ["claimed"], "a claim")
        else:
            served += is_served(response.result(30))
        server.kill_hard()
        with suppress(httpx.HTTPError):
            served += is_served(response.result(30)) if step != "right after the response" else 0
    halt.resume.set()
    fault_proxy.reset()
    with (
        start(tmp_path, priced_directory(), settings) as server,
        open_paid_dispatcher(server, economy, fault_proxy, tmp_path, TOKEN) as paid_dispatcher,
    ):
        states = paid_dispatcher.records.states(wallet)
        early = paid_dispatcher.send(payment, PATH)
        served += is_served(early)
        _wait_until_resolved(paid_dispatcher, lambda: paid_dispatcher.records.states(wallet))
        late = [paid_dispatcher.send(payment, PATH) for _ in range(2)]
        served += sum(is_served(one) for one in late)
        row = (
            step,
            states[0] if states else "empty",
            str(early.status_code),
            str(late[0].status_code),
            f"served {served} times, ledger {', '.join(paid_dispatcher.records.states(wallet))}",
        )
        record_property("payment killed", row)
        assert served == 1
        paid_dispatcher.records.check(wallet, ["settled"])
        assert economy.chain.balance(wallet.address) == 99 * PRICE


def _wait_until_resolved(paid_dispatcher: PaidDispatcher, states: Callable[[], list[str]]) -> None:
    """Let time pass and run cron until the payment is settled or failed, or was never claimed."""
    for seconds in (BEYOND_TIMEOUT_SECONDS, BEYOND_LEASE_SECONDS):
        if set(states()) <= {"settled", "failed"}:
            return
        paid_dispatcher.resolve(seconds)
