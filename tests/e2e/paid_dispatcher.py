"""A dispatcher with priced APIs: its facilitator, payment records and a paying client."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from dev.economy import Economy, Wallet
from dev.economy.chain import NETWORK, PLAIN_TOKEN
from dev.economy.signing import Document, decoded, encoded, new_wallet, sign
from dev.launch import Server

from .caller import Caller
from .fault_proxy import FaultProxy
from .marketplace import tenant
from .payment_records import OWN_PAYEE, PaymentRecords

PRICE = 10_000
BEYOND_TIMEOUT_SECONDS = 60.0
"""Longer than the timeout of a facilitator call, shorter than a payment is valid."""

BEYOND_LEASE_SECONDS = 301.0
"""Longer than the lease of a claim, the time that a script may take for a paid request."""

BEYOND_VALIDITY_SECONDS = 100_000.0
"""Longer than any authorization is valid."""

RESPONSE_SECONDS = 60.0


def priced_directory() -> dict[str, Any]:
    """Return a directory of priced APIs and a free one.

    Of the priced ones, one has a cap, one a rate, and two are paid with Permit2.
    """
    priced: dict[str, Any] = {"priceUsd": "0.01", "x402Enabled": True}
    return {
        "tenants": [
            tenant("sold", "till", payTo=OWN_PAYEE, **priced),
            tenant("sold-beside", "till", payTo=OWN_PAYEE, **priced),
            tenant("sold-by-platform", "till", hosts=["sold.e2e.example"], **priced),
            {
                **tenant("sold-capped", "till", payTo=OWN_PAYEE, **priced),
                "spendLimit": {"dailySpendUsd": "0.05"},
            },
            tenant("sold-rated", "till", rateLimit={"requests": 1, "windowSeconds": 60}, **priced),
            {
                **tenant("sold-up-to", "till", payTo=OWN_PAYEE, **priced),
                "accepts": [{"scheme": "upto"}],
            },
            {
                **tenant("sold-plain", "till", payTo=OWN_PAYEE, **priced),
                "accepts": [
                    {
                        "network": NETWORK,
                        "asset": PLAIN_TOKEN,
                        "decimals": 18,
                        "extra": {"assetTransferMethod": "permit2"},
                    }
                ],
            },
            tenant("given", "till"),
        ]
    }


@dataclass(slots=True)
class PaidDispatcher:
    """A running dispatcher with priced APIs.

    Args:
        server: The dispatcher.
        economy: The economy that it is paid in.
        proxy: Its facilitator.
        records: Its payments in ledger and chain.
        caller: A client for the platform API.
    """

    server: Server
    economy: Economy
    proxy: FaultProxy
    records: PaymentRecords
    caller: Caller
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(32))

    def url(self, path: str = "sold/") -> str:
        """Return the URL of `/t/PATH`."""
        return f"{self.server.url}/t/{path}"

    def wallet(self, amount: int = 100 * PRICE) -> Wallet:
        """Return a new wallet with `amount` micro-dollars."""
        return new_wallet(self.economy, amount)

    def payment_required(self, path: str = "sold/", method: str = "GET") -> Document:
        """Return the decoded payment requirements of an API."""
        return decoded(self.send(None, path, method).headers["payment-required"])

    def signed(
        self, wallet: Wallet, path: str = "sold/", changes: Mapping[str, str] | None = None
    ) -> Document:
        """Return a signed payment for a request."""
        return sign(wallet, self.payment_required(path), changes)

    def send(
        self,
        payment: Document | str | None,
        path: str = "sold/",
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        seconds: float = RESPONSE_SECONDS,
    ) -> httpx.Response:
        """Send a request with a payment, an invalid payment header (a text), or none."""
        paying = {}
        if isinstance(payment, str):
            paying["payment-signature"] = payment
        elif payment is not None:
            name = "x-payment" if payment["x402Version"] == 1 else "payment-signature"
            paying[name] = encoded(payment)
        return httpx.request(
            method, self.url(path), headers={**paying, **(headers or {})}, timeout=seconds
        )

    def begin(self, send: Callable[[], httpx.Response]) -> "Future[httpx.Response]":
        """Start to send a request; return the future of its response."""
        return self._threads.submit(send)

    def run_cron(self) -> None:
        """Run cron once."""
        response = httpx.get(f"{self.server.url}/cdn-cgi/local/scheduled", timeout=RESPONSE_SECONDS)
        assert response.text == "ok", response.text

    def resolve(self, seconds: float = BEYOND_TIMEOUT_SECONDS) -> None:
        """Let time pass, then run cron."""
        self.records.let_time_pass(seconds)
        self.run_cron()


def is_served(response: httpx.Response) -> bool:
    """Tell whether a response is the script's, with what was paid for."""
    return response.status_code == 200 and '"goods":"bread"' in response.text


def receipt_of(response: httpx.Response) -> Document:
    """Return the decoded receipt of a response, which must have one."""
    return decoded(response.headers["payment-response"])


@contextmanager
def open_paid_dispatcher(
    server: Server, economy: Economy, proxy: FaultProxy, state: Path, token: str
) -> Iterator[PaidDispatcher]:
    """Wrap a running dispatcher with priced APIs."""
    with Caller(server.url, token) as caller:
        yield PaidDispatcher(server, economy, proxy, PaymentRecords(state, economy), caller)


def assert_all_accounts_agree(paid_dispatcher: PaidDispatcher, since: float) -> int:
    """Fail unless chain, ledger, settlement events and revenue are equal to the unit.

    Args:
        paid_dispatcher: It has no open payments any more.
        since: When it was first started, in seconds; midnight UTC may have passed.

    Returns:
        The settled micro-dollars.
    """
    settled = paid_dispatcher.records.check_all()
    days = {time.strftime("%Y-%m-%d", time.gmtime(at)) for at in (since, time.time())}
    compared = [paid_dispatcher.caller.platform("reconciliation", day=day)["day"] for day in days]
    assert all(day["agrees"] for day in compared), compared
    tenants = [tenant for day in compared for tenant in day["tenants"]]
    for name in ("inLedgerMicros", "settledAtEdgeMicros"):
        assert sum(tenant[name] for tenant in tenants) == settled, tenants
    assert paid_dispatcher.caller.snapshot("overall")["heroStats"]["revenueMicros"] == settled
    return settled


def assert_pending(response: httpx.Response) -> None:
    """Fail unless a response says that the settlement is pending."""
    assert response.status_code == 503, response.text
    assert response.json()["reason"] == "settlement_pending"
    assert response.headers["retry-after"]
    assert "bread" not in response.text


def assert_served_once(
    paid_dispatcher: PaidDispatcher, payment: Document, path: str = "sold/"
) -> None:
    """Present a settled payment twice: the first time it is served, then it gets its receipt."""
    first = paid_dispatcher.send(payment, path)
    assert is_served(first), first.text
    again = paid_dispatcher.send(payment, path)
    assert again.status_code == 200
    assert not is_served(again)
