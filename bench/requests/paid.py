"""Measures paid requests, without the facilitator's time.

The facilitator and the chain are those of the local economy. Payments are signed in advance,
because signing is the client's work, and each is sent once. The facilitator logs the duration of
each of its calls.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from bench.load import load, request_text, send_each
from bench.requests.contender import TENANT, Contender, Running
from bench.requests.figures import PaidFigures, RequestFigures
from bench.server import cpu_seconds_of
from core.ports import Json
from dev.economy import Economy
from dev.economy.signing import decoded, encoded, sign
from dev.launch.options import HOST

PAID = "this dispatcher, a priced API, paid"
UNPAID = "this dispatcher, a priced API, unpaid"
PRICE_MICROS = 10_000
ALONE_PAYMENTS = 20
"""Sequential payments of a round."""

BUSY_PAYMENTS = 64
"""Concurrent payments of a round."""

TARGET = "/t/sold/"
SOLD = {
    **TENANT,
    "slug": "sold",
    "tenantId": "bench-sold",
    "priceUsd": "0.01",
    "x402Enabled": True,
}
PAYMENT_REQUIRED_OUTCOME = "payment_required"
"""The outcome of an unpaid request in its event."""

WAITED_SECONDS = 5.0
_POLL_SECONDS = 0.005
_EVENTS_A_PAGE = 2_000


def priced(economy: Economy) -> Contender:
    """Return the contender of this dispatcher with payments in an economy."""
    return Contender("g", PAID, tenants=(TENANT, SOLD), variables=economy.settings())


@dataclass(slots=True)
class PaidMeasurement:
    """Measures paid and unpaid requests of a running dispatcher.

    Args:
        running: The dispatcher.
        economy: The local economy.
        connections: The number of concurrent connections under load.
    """

    running: Running
    economy: Economy
    connections: int
    _paid: PaidFigures = field(default_factory=PaidFigures)
    _figures: RequestFigures = field(default_factory=lambda: RequestFigures("g", PAID))
    _unpaid: RequestFigures = field(default_factory=lambda: RequestFigures("g0", UNPAID))
    _facilitator: FacilitatorLog = field(init=False)

    def __post_init__(self) -> None:
        """Start to read the facilitator's log."""
        self._facilitator = FacilitatorLog(self.economy.logs / "facilitator.log")

    def warm_up(self) -> None:
        """Send some payments."""
        send_each(self.running.port, self._signed(ALONE_PAYMENTS), connections=4)
        self._facilitator.payments(ALONE_PAYMENTS)

    def run_round(self, seconds: float) -> None:
        """Measure one round of both."""
        process, port = self.running.process, self.running.port
        payments = self._signed(ALONE_PAYMENTS)
        alone = send_each(port, payments, connections=1)
        self._add_times(alone.times, self._facilitator.payments(ALONE_PAYMENTS))
        payments = self._signed(BUSY_PAYMENTS)
        before = cpu_seconds_of(process)
        busy = send_each(port, payments, connections=self.connections)
        self._figures.add(alone, busy, cpu_seconds_of(process) - before)
        self._facilitator.payments(BUSY_PAYMENTS)
        status = HTTPStatus.PAYMENT_REQUIRED
        alone = load(port, TARGET, seconds=seconds / 3, connections=1, status=status)
        before = cpu_seconds_of(process)
        busy = load(port, TARGET, seconds=seconds, connections=self.connections, status=status)
        self._unpaid.add(alone, busy, cpu_seconds_of(process) - before)
        self._unpaid.sent += len(alone.times) + len(busy.times)

    def finished(self) -> list[RequestFigures]:
        """Return both results, with the counts of the analytics, the ledger and the chain."""
        self.running.wait_until_written()
        paid, today = self._paid, time.strftime("%Y-%m-%d", time.gmtime())
        snapshot = self.running.request_platform("analytics", window="overall")["snapshot"]
        day = self.running.request_platform("reconciliation", day=today)["day"]
        self._figures.recorded = sum(
            api["calls"] for api in snapshot["allApis"] if api["tenantId"] == SOLD["tenantId"]
        )
        paid.ledger = sum(one["inLedgerMicros"] for one in day["tenants"]) // PRICE_MICROS
        paid.transferred = len(self.economy.chain.transfers_from(self.economy.buyer.address))
        self._figures.paid = paid
        self._unpaid.recorded = sum(
            event["outcome"] == PAYMENT_REQUIRED_OUTCOME for event in self._events()
        )
        return [self._unpaid, self._figures]

    def _add_times(self, times: Sequence[float], facilitator_ms: Sequence[float]) -> None:
        own = [whole * 1_000 - its for whole, its in zip(times, facilitator_ms, strict=True)]
        self._paid.facilitator_ms.append(statistics.median(facilitator_ms))
        self._paid.own_ms.append(statistics.median(own))
        self._paid.own_per_second.append(1_000 / statistics.fmean(own))

    def _events(self) -> Iterator[Json]:
        query = {"limit": str(_EVENTS_A_PAGE)}
        while True:
            page = self.running.request_platform("events", **query)
            yield from page["events"]
            if page["cursor"] is None:
                return
            query["cursor"] = page["cursor"]

    def _signed(self, payments: int) -> list[bytes]:
        """Return requests with signed payments, for payment requirements that are fetched first."""
        port = self.running.port
        response = httpx.get(f"http://{HOST}:{port}{TARGET}", timeout=WAITED_SECONDS)
        requirements = decoded(response.headers["payment-required"])
        self._unpaid.sent += 1
        self._figures.sent += payments
        return [
            request_text(
                port,
                TARGET,
                headers={"payment-signature": encoded(sign(self.economy.buyer, requirements))},
            )
            for _ in range(payments)
        ]


class FacilitatorLog:
    """The durations of the facilitator's calls, in milliseconds, from its log."""

    def __init__(self, file: Path) -> None:
        """Start at the current end of the file."""
        self._file = file
        self._start = file.stat().st_size

    def payments(self, count: int) -> list[float]:
        """Return the durations of the next payments (verify plus settle), in order of completion.

        For concurrent payments, a sum may mix calls of different ones. Raises `RuntimeError` if
        there are more than `count`, a call failed, or they are not logged in time.
        """
        deadline = time.monotonic() + WAITED_SECONDS
        lines = self._whole_lines()
        while len(found := _calls(lines)) < 2 * count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the facilitator was called {len(found)} times")
            time.sleep(_POLL_SECONDS)
            lines = self._whole_lines()
        if len(found) > 2 * count or any(call["status"] != HTTPStatus.OK for call in found):
            raise RuntimeError(f"the facilitator's calls are not those of {count} payments")
        self._start += len(lines)
        times = [float(call["milliseconds"]) for call in found]
        return [sum(times[at : at + 2]) for at in range(0, len(times), 2)]

    def _whole_lines(self) -> bytes:
        with self._file.open("rb") as file:
            file.seek(self._start)
            read = file.read()
        return read[: read.rfind(b"\n") + 1]


def _calls(lines: bytes) -> list[dict[str, Any]]:
    calls = [json.loads(line) for line in lines.splitlines() if line.startswith(b"{")]
    return [call for call in calls if call["path"] in {"/verify", "/settle"}]
