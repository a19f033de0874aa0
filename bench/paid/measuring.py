"""Measures paid and unpaid requests of this dispatcher and of the official middleware.

Both run at the same time, with the facilitator and the chain of the local economy, and are
measured in turns. Payments are signed in advance, because signing is the client's work, and each
is sent once. The facilitator logs the duration of each of its calls.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from bench.load import load, send_each
from bench.paid import round_trips
from bench.paid.contenders import (
    MIDDLEWARE_UNPAID,
    PRICE_MICROS,
    SOLD,
    TARGET,
    UNPAID,
    WAITED_SECONDS,
    contenders,
    signed,
)
from bench.paid.figures import PaidFigures, RoundTripFigures
from bench.requests.contender import Running, running
from bench.server import cpu_seconds_of
from core.ports import Json
from dev.economy import Economy, Wallet, running_economy

CONNECTIONS = 16
ALONE_PAYMENTS = 30
"""Sequential payments of a round."""

BUSY_PAYMENTS = 128
"""Concurrent payments of a round."""

CALLS = 2
"""Calls of the facilitator for each payment: verify and settle."""

PAYMENT_REQUIRED_OUTCOME = "payment_required"
"""The outcome of an unpaid request in its event."""

_POLL_SECONDS = 0.005
_EVENTS_A_PAGE = 2_000


class Measured(NamedTuple):
    """The results of both contenders."""

    paid: list[PaidFigures]
    round_trips: list[RoundTripFigures]


def measure(rounds: int, seconds: float, say: Callable[[str], None]) -> Measured:
    """Run both contenders in `rounds` alternating rounds; unpaid requests take `seconds` each."""
    with running_economy() as economy:
        with TemporaryDirectory() as name, ExitStack() as parts:
            buyers = (economy.second_buyer, economy.buyer)
            measurements = []
            for contender, buyer in zip(contenders(economy), buyers, strict=True):
                say(f"starting ({contender.letter}) {contender.what}")
                started = parts.enter_context(running(contender, Path(name) / contender.letter))
                measurements.append(PaidMeasurement(started, economy, buyer))
            say("warming up")
            for each in measurements:
                each.warm_up()
            for number in range(rounds):
                say(f"round {number + 1} of {rounds}")
                for each in measurements:
                    each.run_round(seconds)
            say("counting entries of the log, the ledger and the chain")
            found = [figures for each in measurements for figures in each.finished()]
        middleware_calls = [f"fetch {path}" for path in measurements[0].payment_calls]
        return Measured(found, round_trips.measure(economy, middleware_calls, say))


@dataclass(slots=True)
class PaidMeasurement:
    """Measures one running contender with a priced API.

    Args:
        running: The contender.
        economy: The local economy.
        buyer: The wallet that pays; no other contender's.
    """

    running: Running
    economy: Economy
    buyer: Wallet
    payment_calls: Sequence[str] = ()
    _paid: PaidFigures = field(init=False)
    _unpaid: PaidFigures = field(init=False)
    _facilitator: FacilitatorLog = field(init=False)

    def __post_init__(self) -> None:
        """Start to read the facilitator's log."""
        letter = self.running.contender.letter
        self._paid = PaidFigures(letter, self.running.contender.what)
        self._unpaid = PaidFigures(f"{letter}0", UNPAID if self._is_ours else MIDDLEWARE_UNPAID)
        self._facilitator = FacilitatorLog(self.economy.logs / "facilitator.log")

    def warm_up(self) -> None:
        """Send some payments."""
        self._facilitator.skip()
        send_each(self.running.port, self._signed(ALONE_PAYMENTS), connections=4)
        self._facilitator.payments(ALONE_PAYMENTS)

    def run_round(self, seconds: float) -> None:
        """Measure one round of both kinds of requests."""
        process, port = self.running.process, self.running.port
        payments = self._signed(ALONE_PAYMENTS)
        self._facilitator.skip()
        alone = send_each(port, payments, connections=1)
        self._add_times(alone.times, self._facilitator.payments(ALONE_PAYMENTS))
        payments = self._signed(BUSY_PAYMENTS)
        before = cpu_seconds_of(process)
        busy = send_each(port, payments, connections=CONNECTIONS)
        self._paid.add(alone, busy, cpu_seconds_of(process) - before)
        self._facilitator.payments(BUSY_PAYMENTS)
        status = HTTPStatus.PAYMENT_REQUIRED
        alone = load(port, TARGET, seconds=seconds / 3, connections=1, status=status)
        before = cpu_seconds_of(process)
        busy = load(port, TARGET, seconds=seconds, connections=CONNECTIONS, status=status)
        self._unpaid.add(alone, busy, cpu_seconds_of(process) - before)
        self._unpaid.sent += len(alone.times) + len(busy.times)

    def finished(self) -> list[PaidFigures]:
        """Return both results, with the counts of the log, the ledger and the chain."""
        paid = self._paid
        paid.transferred = len(self.economy.chain.transfers_from(self.buyer.address))
        if self._is_ours:
            self._count_records()
        return [self._unpaid, paid]

    def _count_records(self) -> None:
        self.running.wait_until_written()
        today = time.strftime("%Y-%m-%d", time.gmtime())
        snapshot = self.running.request_platform("analytics", window="overall")["snapshot"]
        day = self.running.request_platform("reconciliation", day=today)["day"]
        self._paid.recorded = sum(
            api["calls"] for api in snapshot["allApis"] if api["tenantId"] == SOLD["tenantId"]
        )
        self._paid.ledger = sum(one["inLedgerMicros"] for one in day["tenants"]) // PRICE_MICROS
        self._unpaid.recorded = sum(
            event["outcome"] == PAYMENT_REQUIRED_OUTCOME for event in self._events()
        )

    @property
    def _is_ours(self) -> bool:
        return self.running.contender.main is None

    def _add_times(self, times: Sequence[float], calls: Sequence[Json]) -> None:
        self.payment_calls = [call["path"] for call in calls[:CALLS]]
        each = [float(call["milliseconds"]) for call in calls]
        facilitator_ms = [sum(each[at : at + CALLS]) for at in range(0, len(each), CALLS)]
        own = [whole * 1_000 - its for whole, its in zip(times, facilitator_ms, strict=True)]
        self._paid.facilitator_ms.append(statistics.median(facilitator_ms))
        self._paid.own_ms.append(statistics.median(own))

    def _events(self) -> Iterator[Json]:
        query = {"limit": str(_EVENTS_A_PAGE)}
        while True:
            page = self.running.request_platform("events", **query)
            yield from page["events"]
            if page["cursor"] is None:
                return
            query["cursor"] = page["cursor"]

    def _signed(self, payments: int) -> list[bytes]:
        self._unpaid.sent += 1
        self._paid.sent += payments
        return signed(self.running.port, self.buyer, payments)


class FacilitatorLog:
    """The facilitator's calls, from its log."""

    def __init__(self, file: Path) -> None:
        """Start at the current end of the file."""
        self._file = file
        self.skip()

    def skip(self) -> None:
        """Continue at the current end of the file, after calls of the other contender."""
        self._start = self._file.stat().st_size

    def payments(self, count: int) -> list[dict[str, Any]]:
        """Return the calls (`path`, `status`, `milliseconds`) of the next payments, in order.

        Those of concurrent payments are mixed. Raises `RuntimeError` if there are more than two
        for each payment, a call failed, or they are not logged in time.
        """
        deadline = time.monotonic() + WAITED_SECONDS
        lines = self._whole_lines()
        while len(found := _calls(lines)) < CALLS * count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the facilitator was called {len(found)} times")
            time.sleep(_POLL_SECONDS)
            lines = self._whole_lines()
        if len(found) > CALLS * count or any(call["status"] != HTTPStatus.OK for call in found):
            raise RuntimeError(f"the facilitator's calls are not those of {count} payments")
        self._start += len(lines)
        return found

    def _whole_lines(self) -> bytes:
        with self._file.open("rb") as file:
            file.seek(self._start)
            read = file.read()
        return read[: read.rfind(b"\n") + 1]


def _calls(lines: bytes) -> list[dict[str, Any]]:
    calls = [json.loads(line) for line in lines.splitlines() if line.startswith(b"{")]
    return [call for call in calls if call["path"] in {"/verify", "/settle"}]
