"""Many concurrent payments with a facilitator that fails at random, and crashes.

`KILLS=50` kills the dispatcher 50 times instead of three.
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from dev.economy import Economy
from dev.economy.signing import Document

from .caller import eventually
from .conftest import TOKEN, Starter
from .fault_proxy import FaultProxy
from .faults import (
    Call,
    Response,
    drop_connection,
    drop_connection_after_success,
    fail_after_success,
    pass_on,
    slow_response,
    status,
)
from .paid_dispatcher import (
    PRICE,
    PaidDispatcher,
    assert_all_accounts_agree,
    is_served,
    open_paid_dispatcher,
    priced_directory,
)

SEED = 4
STARTS = int(os.environ.get("KILLS", "3"))
"""Each start ends with `kill -9`."""

PAYMENTS = 30
"""Per start of the dispatcher; each is presented three times."""

VALID_SECONDS = 86_400
"""Longer than the run, at whose end each payment is presented again."""

CONCURRENCY = 8
KILLED_AFTER = 50
"""Responses after which a started dispatcher is killed."""

FAULTS = (
    *[pass_on] * 6,
    drop_connection,
    status(500),
    fail_after_success(500),
    drop_connection_after_success,
    slow_response(0.3),
)


class Soak:
    """Sends payments and counts the outcomes, over several starts of the dispatcher."""

    def __init__(self) -> None:
        self.start = 0
        self.served: Counter[tuple[str, int]] = Counter()
        """How often each payment was served, by the start of the dispatcher."""
        self.unanswered: set[str] = set()
        self.responses: Counter[int] = Counter()
        self._random = random.Random(SEED)
        self._lock = threading.Lock()

    def fault(self, call: Call) -> Response:
        """Apply a random fault, or none."""
        with self._lock:
            chosen = self._random.choice(FAULTS)
        return chosen(call)

    def present(self, paid_dispatcher: PaidDispatcher, payment: Document) -> None:
        """Send a request with a payment and count the outcome."""
        name = payment["payload"]["authorization"]["nonce"]
        try:
            response = paid_dispatcher.send(payment)
        except httpx.HTTPError:
            with self._lock:
                self.unanswered.add(name)
            return
        with self._lock:
            self.responses[response.status_code] += 1
            self.served[name, self.start] += is_served(response)

    def served_payments(self) -> Counter[str]:
        """Return how often each payment was served."""
        found: Counter[str] = Counter()
        for (name, _), times in self.served.items():
            found[name] += times
        return found


def test_no_payment_is_charged_or_served_twice_despite_faults_and_crashes(
    start: Starter,
    economy: Economy,
    fault_proxy: FaultProxy,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    soak, payments, started = Soak(), [], time.time()
    valid = {"validBefore": str(int(started) + VALID_SECONDS)}
    settings = {**economy.settings(), "FACILITATOR_URL": fault_proxy.url}
    for soak.start in range(STARTS):
        with (
            start(tmp_path, priced_directory(), settings) as server,
            open_paid_dispatcher(server, economy, fault_proxy, tmp_path, TOKEN) as paid_dispatcher,
        ):
            wallet = paid_dispatcher.wallet(PAYMENTS * PRICE)
            created = [paid_dispatcher.signed(wallet, changes=valid) for _ in range(PAYMENTS)]
            payments += created
            fault_proxy.always("/verify", soak.fault)
            fault_proxy.always("/settle", soak.fault)
            before = soak.responses.total()
            with ThreadPoolExecutor(CONCURRENCY) as pool:
                for payment in [*created, *created, *created]:
                    pool.submit(soak.present, paid_dispatcher, payment)
                while soak.responses.total() - before < KILLED_AFTER:
                    threading.Event().wait(0.01)
                server.kill_hard()
        fault_proxy.reset()
    soak.start = STARTS
    with (
        start(tmp_path, priced_directory(), settings) as server,
        open_paid_dispatcher(server, economy, fault_proxy, tmp_path, TOKEN) as paid_dispatcher,
    ):
        while _unresolved(paid_dispatcher):
            paid_dispatcher.resolve(VALID_SECONDS / 2)
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            for payment in [*payments, *payments]:
                pool.submit(soak.present, paid_dispatcher, payment)
        assert _unresolved(paid_dispatcher) == 0
        eventually(
            lambda: paid_dispatcher.caller.platform("reconciliation")["day"]["agrees"],
            "all settlements in the log",
        )
        settled = assert_all_accounts_agree(paid_dispatcher, started) // PRICE
        served = soak.served_payments()
        lost = [
            payment["payload"]["authorization"]["nonce"]
            for payment in payments
            if not served[payment["payload"]["authorization"]["nonce"]]
        ]
        record_property(
            "payment soak",
            (
                str(len(payments)),
                ", ".join(f"{code}: {times}" for code, times in sorted(soak.responses.items())),
                str(STARTS),
                f"{settled} settled, {served.total()} served, {len(lost)} lost",
            ),
        )
        assert max(soak.served.values()) == 1, "no payment is served twice"
        # A response that was sent right before a kill may not be recorded as sent.
        assert sum(times > 1 for times in served.values()) <= STARTS * CONCURRENCY
        assert set(lost) <= soak.unanswered, "every payment with a response was served in the end"
        assert settled == len(payments), "every payment is settled once in the end"


def _unresolved(paid_dispatcher: PaidDispatcher) -> int:
    return sum(row["state"] in {"claimed", "pending"} for row in paid_dispatcher.records.rows())
