"""A page of another origin pays in Chromium, and reads what it paid for and every error.

The script sets no CORS headers, unless a request asks it for one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from dev.economy import Economy, Wallet, running_economy
from dev.economy.signing import decoded, encoded, new_wallet, sign
from dev.launch import running_dispatcher
from tests.e2e.fault_proxy import FaultProxy, running_fault_proxy
from tests.e2e.faults import Fault, fail_after_success, json_body, status
from tests.e2e.marketplace import make_namespace, tenant
from tests.support.prepared_start import prepared_start

PRICE = 10_000
FETCH = """async ([url, method, headers]) => {
    try {
        const response = await fetch(url, { method, headers });
        return {
            status: response.status,
            headers: Object.fromEntries(response.headers),
            body: await response.text(),
        };
    } catch (error) {
        return { error: String(error) };
    }
}"""


def directory() -> dict[str, Any]:
    """Priced APIs of one script, with limits that one request uses up, and free ones."""
    priced: dict[str, Any] = {"priceUsd": "0.01", "x402Enabled": True}
    return {
        "tenants": [
            tenant("sold", "crafted", **priced),
            tenant(
                "sold-rated", "crafted", rateLimit={"requests": 1, "windowSeconds": 60}, **priced
            ),
            tenant("sold-quota", "crafted", usageLimit={"dailyRequests": 1}, **priced),
            {**tenant("sold-capped", "crafted", **priced), "spendLimit": {"dailySpendUsd": "0.01"}},
            tenant("sold-nowhere", "no-such-script", **priced),
            tenant("given", "crafted"),
            tenant("given-rated", "crafted", rateLimit={"requests": 1, "windowSeconds": 60}),
            tenant("given-nowhere", "no-such-script"),
        ]
    }


@dataclass(frozen=True, slots=True)
class Shop:
    """A page of another origin, and the dispatcher whose APIs it buys from."""

    page: Page
    url: str
    economy: Economy
    facilitator: FaultProxy

    def fetch(
        self, path: str, method: str = "GET", headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """Send a request from the page; return what the page can read, or its `error`."""
        found: dict[str, Any] = self.page.evaluate(
            FETCH, [f"{self.url}/t/{path}", method, headers or {}]
        )
        return found

    def signed(self, path: str, wallet: Wallet, **changes: str) -> dict[str, str]:
        """Return the header that pays for a request, from a 402 that the page has read."""
        required = decoded(self.fetch(path)["headers"]["payment-required"])
        return {"payment-signature": encoded(sign(wallet, required, changes))}

    def buy(self, path: str, wallet: Wallet, **changes: str) -> dict[str, Any]:
        """Pay for a request from the page."""
        return self.fetch(path, headers=self.signed(path, wallet, **changes))

    def paid(self, wallet: Wallet, before: int) -> int:
        """Return how many micro-dollars a wallet has spent."""
        return before - self.economy.chain.balance(wallet.address)


@pytest.fixture(scope="module")
def shop(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A dispatcher with priced APIs, and a page that another server serves."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Shop</title>")

        def log_message(self, *_: object) -> None:
            pass

    folder: Path = tmp_path_factory.mktemp("shop")
    with (
        running_economy() as economy,
        running_fault_proxy(economy.facilitator_url) as proxy,
        running_dispatcher(
            state=folder / "state",
            tenants=json.dumps(directory()),
            namespace=make_namespace(folder / "namespace"),
            prepared=prepared_start(),
            variables={**economy.settings(), "FACILITATOR_URL": proxy.url},
        ) as server,
        ThreadingHTTPServer(("127.0.0.1", 0), Handler) as pages,
    ):
        threading.Thread(target=pages.serve_forever, args=(0.05,), daemon=True).start()
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{pages.server_address[1]}/")
        yield Shop(page, server.url, economy, proxy)
        context.close()
        pages.shutdown()


@pytest.fixture
def wallet(shop: Shop) -> Wallet:
    return new_wallet(shop.economy, 5 * PRICE)


def test_the_page_reads_the_requirements_and_what_it_paid_for(shop: Shop, wallet: Wallet) -> None:
    unpaid = shop.fetch("sold/answer")
    assert (unpaid["status"], json.loads(unpaid["body"])["error"]) == (402, "payment_required")
    bought = shop.buy("sold/answer?body=bread", wallet)
    assert (bought["status"], bought["body"]) == (200, "bread")
    assert decoded(bought["headers"]["payment-response"])["success"] is True
    assert {"x-request-id", "x-tenant-id", "x-clawr-payment-id"} <= set(bought["headers"])
    assert shop.paid(wallet, 5 * PRICE) == PRICE


def test_the_page_reads_the_receipt_of_a_repeated_payment(shop: Shop, wallet: Wallet) -> None:
    headers = shop.signed("sold/answer", wallet)
    assert shop.fetch("sold/answer", headers=headers)["status"] == 200
    again = shop.fetch("sold/answer", headers=headers)
    assert json.loads(again["body"])["payment"]["state"] == "settled"
    elsewhere = shop.fetch("sold/method", headers=headers)
    assert (elsewhere["status"], json.loads(elsewhere["body"])["error"]) == (
        409,
        "payment_already_used",
    )
    assert shop.paid(wallet, 5 * PRICE) == PRICE


@pytest.mark.parametrize("changes", [{"value": "1"}, {"validBefore": "1700000000"}])
def test_the_page_reads_why_a_payment_is_refused(
    shop: Shop, wallet: Wallet, changes: dict[str, str]
) -> None:
    refused = shop.buy("sold/answer", wallet, **changes)
    assert (refused["status"], json.loads(refused["body"])["error"]) == (402, "payment_invalid")
    assert refused["headers"]["payment-required"]
    assert shop.paid(wallet, 5 * PRICE) == 0


@pytest.mark.parametrize(
    ("slug", "status", "code"),
    [
        ("sold-rated", 429, "rate_limited"),
        ("sold-quota", 429, "usage_quota_exceeded"),
        ("sold-capped", 402, "cap_exceeded"),
    ],
)
def test_the_page_reads_which_limit_refused_it(
    shop: Shop, wallet: Wallet, slug: str, status: int, code: str
) -> None:
    assert shop.buy(f"{slug}/answer", wallet)["status"] == 200
    refused = shop.buy(f"{slug}/answer", wallet)
    assert (refused["status"], json.loads(refused["body"])["error"]) == (status, code)
    assert int(refused["headers"]["retry-after"]) > 0
    assert refused["headers"]["ratelimit-policy"]
    assert shop.paid(wallet, 5 * PRICE) == PRICE


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("sold/throw", 502, "tenant_worker_failure"),
        ("sold-nowhere/", 404, "worker_not_found"),
        ("sold/answer?status=500&body=own", 500, None),
        ("sold/answer?status=404&body=own", 404, None),
    ],
)
def test_the_page_reads_how_the_script_failed(
    shop: Shop, wallet: Wallet, path: str, status: int, code: str | None
) -> None:
    failed = shop.buy(path, wallet)
    assert failed["status"] == status
    assert failed["body"] == "own" if code is None else json.loads(failed["body"])["error"] == code
    assert failed["headers"]["x-clawr-payment-id"]
    assert shop.paid(wallet, 5 * PRICE) == 0


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("given/throw", 502, "tenant_worker_failure"),
        ("given-nowhere/", 404, "worker_not_found"),
        ("no-such-api/", 404, "tenant_not_found"),
    ],
)
def test_the_page_reads_the_errors_of_free_apis(
    shop: Shop, path: str, status: int, code: str
) -> None:
    failed = shop.fetch(path)
    assert (failed["status"], json.loads(failed["body"])["error"]) == (status, code)
    assert failed["headers"]["x-request-id"]


def test_the_page_reads_that_a_free_api_limits_it(shop: Shop) -> None:
    shop.fetch("given-rated/answer")
    limited = shop.fetch("given-rated/answer")
    assert (limited["status"], json.loads(limited["body"])["error"]) == (429, "rate_limited")
    assert limited["headers"]["retry-after"]


def test_a_free_api_decides_itself_which_pages_read_it(shop: Shop) -> None:
    assert "Failed to fetch" in shop.fetch("given/answer")["error"]
    assert shop.fetch("given/answer?header=access-control-allow-origin:*")["status"] == 200


@pytest.mark.parametrize("allowed", ["*", "ORIGIN"])
def test_a_script_may_name_the_pages_origin_itself(
    shop: Shop, wallet: Wallet, allowed: str
) -> None:
    origin = shop.page.evaluate("location.origin") if allowed == "ORIGIN" else allowed
    header = f"header=access-control-allow-origin:{origin}"
    bought = shop.buy(f"sold/answer?body=bread&{header}", wallet)
    assert (bought["status"], bought["body"]) == (200, "bread")
    assert decoded(bought["headers"]["payment-response"])["success"] is True


def test_the_page_pays_with_head(shop: Shop, wallet: Wallet) -> None:
    headers = shop.signed("sold/method", wallet)
    unpaid = shop.fetch("sold/method", "HEAD")
    assert (unpaid["status"], decoded(unpaid["headers"]["payment-required"])["x402Version"]) == (
        402,
        2,
    )
    bought = shop.fetch("sold/method", "HEAD", headers)
    assert bought["status"] == 200
    assert decoded(bought["headers"]["payment-response"])["success"] is True
    assert shop.paid(wallet, 5 * PRICE) == PRICE


def test_the_page_reads_a_long_stream(shop: Shop, wallet: Wallet) -> None:
    bought = shop.buy("sold/download?bytes=1000000", wallet)
    assert (bought["status"], bought["headers"]["cache-control"]) == (200, "no-store")
    assert len(bought["body"]) > 900_000


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_the_page_is_charged_once_for_a_redirects_target(
    shop: Shop, wallet: Wallet, code: int
) -> None:
    target = "header=location:/t/sold/method&header=cache-control:public"
    bought = shop.buy(f"sold/answer?status={code}&{target}", wallet)
    assert (bought["status"], bought["body"]) == (200, "seen")
    assert decoded(bought["headers"]["payment-response"])["success"] is True
    assert shop.paid(wallet, 5 * PRICE) == PRICE


REFUSAL = {"success": False, "errorReason": "insufficient_funds", "network": "eip155:84532"}


@pytest.mark.parametrize(
    ("call", "fault", "code", "reason"),
    [
        ("/verify", status(500), 503, "facilitator_unavailable"),
        ("/settle", fail_after_success(500), 503, "settlement_pending"),
        ("/settle", json_body(REFUSAL), 402, "insufficient_funds"),
    ],
)
def test_the_page_reads_how_the_facilitator_failed(
    shop: Shop, wallet: Wallet, call: str, fault: Fault, code: int, reason: str
) -> None:
    headers = shop.signed("sold/answer", wallet)
    shop.facilitator.reset()
    shop.facilitator.then(call, fault)
    failed = shop.fetch("sold/answer", headers=headers)
    assert (failed["status"], json.loads(failed["body"])["reason"]) == (code, reason)
    assert failed["headers"]["cache-control"] == "no-store"
    assert code == 402 or failed["headers"]["retry-after"]
    assert call == "/verify" or failed["headers"]["x-clawr-payment-id"]


def test_a_script_that_lets_only_other_pages_read_it_charges_this_one_nothing(
    shop: Shop, wallet: Wallet
) -> None:
    header = "header=access-control-allow-origin:https://other.example"
    refused = shop.buy(f"sold/answer?body=bread&{header}", wallet)
    assert (refused["status"], json.loads(refused["body"])["reason"]) == (402, "origin_not_allowed")
    assert shop.paid(wallet, 5 * PRICE) == 0


def test_a_page_with_credentials_is_stopped_before_it_pays(shop: Shop, wallet: Wallet) -> None:
    headers = shop.signed("sold/answer", wallet)
    outcome = shop.page.evaluate(
        "([url, headers]) => fetch(url, { headers, credentials: 'include' })"
        ".then((response) => response.status, String)",
        [f"{shop.url}/t/sold/answer", headers],
    )
    assert "Failed to fetch" in outcome
    assert shop.paid(wallet, 5 * PRICE) == 0
