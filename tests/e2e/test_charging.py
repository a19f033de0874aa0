"""Official clients pay the dispatcher; chain, revenue, settlements and reconciliation agree."""

import base64
import hashlib
import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core import keys
from dev.economy import Economy
from dev.launch import Server
from dev.layout import HERE
from dev.setup.node import find_node

from . import local_kv
from .caller import Caller, eventually
from .conftest import TOKEN, PayerOf, Starter
from .fault_proxy import FaultProxy
from .faults import drop_connection, fail_after_success
from .payers import CLIENTS

PRICE = 10_000
TENANTS: dict[str, list[dict[str, Any]]] = {
    "tenants": [
        {
            "slug": slug,
            "tenantId": f"ten_{slug}",
            "workerName": script,
            "priceUsd": 0.01,
            "x402Enabled": True,
        }
        for slug, script in (
            ("cent", "mirror"),
            ("posted", "mirror"),
            ("mishap", "mishap"),
            ("seller", "crafted"),
            ("menu", "mirror"),
            ("wordy", "mirror"),
        )
    ]
}
BODY = '{"name": "it\'s"}'
TENANTS["tenants"][1] |= {"methods": ["POST"], "example": {"input": json.loads(BODY)}}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The STATE folder of the dispatcher."""
    return tmp_path_factory.mktemp("priced")


@pytest.fixture(scope="module")
def priced(
    start: Starter, economy: Economy, shared_fault_proxy: FaultProxy, state: Path
) -> Iterator[Server]:
    """A dispatcher with priced APIs, whose facilitator fails on demand."""
    variables = {**economy.settings(), "FACILITATOR_URL": shared_fault_proxy.url}
    with start(state, TENANTS, variables) as server:
        yield server


@pytest.fixture
def platform(priced: Server) -> Iterator[Caller]:
    """A client for the platform API."""
    with Caller(priced.url, TOKEN) as caller:
        yield caller


TENANTS["tenants"][-2] |= {
    "routes": [
        {"path": "/docs/*", "priceUsd": 0},
        {"path": "/big", "priceUsd": "0.03"},
        {"path": "/shared", "priceUsd": "0.02", "accepts": [{"priceUsd": "0.015"}, {}]},
    ],
}
TENANTS["tenants"][-1] |= {
    "description": "🌦" * 1_000,
    "methods": ["GET"],
    "inputSchema": {"type": "object", "description": "天" * 3_000},
    "outputSchema": {"type": "object", "description": "ж" * 3_000},
}


def cron(server: Server) -> None:
    """Run cron once."""
    response = httpx.get(f"{server.url}/cdn-cgi/local/scheduled", timeout=60)
    assert response.status_code == 200, response.text


def revenue(platform: Caller) -> int:
    """Return today's revenue, as soon as the usage log has every settlement."""
    eventually(lambda: platform.platform("reconciliation")["day"]["agrees"], "all settlements")
    micros: int = platform.snapshot("today")["heroStats"]["revenueMicros"]
    return micros


def reconciled_day(platform: Caller) -> dict[str, object]:
    """Return the day's reconciliation, which must agree."""
    day: dict[str, object] = platform.platform("reconciliation")["day"]
    assert day["agrees"], day
    return day


@pytest.mark.parametrize("version", [2, 1])
@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_official_client_pays_and_all_accounts_agree(
    priced: Server,
    platform: Caller,
    economy: Economy,
    payer_of: PayerOf,
    name: str,
    version: int,
    method: str,
) -> None:
    before = economy.chain.balance(economy.buyer.address), revenue(platform)
    options = {"method": method, "version": version}
    if method == "POST":
        options["body"] = "hello"
    bought = payer_of(name).pay(economy.buyer, f"{priced.url}/t/cent/echo?a=1", **options)
    assert bought.status == 200, bought
    assert bought.receipt is not None
    assert bought.receipt["success"] is True
    assert bought.headers["x-tenant-id"] == "ten_cent"
    transaction = economy.chain.transaction(bought.receipt["transaction"])
    assert transaction is not None
    assert [transfer.amount for transfer in transaction.transfers] == [PRICE]
    assert economy.chain.balance(economy.buyer.address) == before[0] - PRICE
    # The ledger has it before the response is sent; the usage log gets it after that.
    eventually(lambda: revenue(platform) == before[1] + PRICE, "the revenue")
    newest = platform.platform("settlements", limit=1)["settlements"][0]
    assert newest["transaction"] == bought.receipt["transaction"]
    assert newest["amountMicros"] == PRICE
    reconciled_day(platform)


@pytest.mark.parametrize("version", [2, 1])
@pytest.mark.parametrize("name", CLIENTS)
def test_an_api_with_long_texts_at_a_long_url_can_be_paid(
    priced: Server, economy: Economy, payer_of: PayerOf, name: str, version: int
) -> None:
    url = f"{priced.url}/t/wordy/echo?q={'x' * 6_000}"
    required = httpx.get(url).headers["payment-required"]
    assert len(required) <= 6_000
    bought = payer_of(name).pay(economy.buyer, url, version=version)
    assert bought.status == 200, bought


def test_catalogs_list_the_api_of_a_payment(
    priced: Server, economy: Economy, payer_of: PayerOf, state: Path
) -> None:
    bought = payer_of("fetch").pay(economy.buyer, f"{priced.url}/t/cent/listed")
    assert bought.status == 200, bought
    key = keys.extension_responses("cent")
    eventually(lambda: key in local_kv.keys(state, key), "what the facilitator said")
    said = json.loads(local_kv.value(state, key))["*"]
    assert said["extensions"] == {"bazaar": {"status": "success"}}


@pytest.mark.parametrize("version", [2, 1])
@pytest.mark.parametrize("name", ["fetch", "httpx", "requests"])
def test_each_route_costs_its_price(
    priced: Server, economy: Economy, payer_of: PayerOf, name: str, version: int
) -> None:
    url = f"{priced.url}/t/menu"
    for path in ("docs/guide?page=2", "DOCS", "docs/"):
        assert httpx.get(f"{url}/{path}").status_code == 200
    before = economy.chain.balance(economy.buyer.address)
    for path, price in (("big", 3 * PRICE), ("%62ig", 3 * PRICE), ("shared", 15_000), ("x", PRICE)):
        bought = payer_of(name).pay(economy.buyer, f"{url}/{path}", version=version)
        assert bought.status == 200, bought
        left = economy.chain.balance(economy.buyer.address)
        assert before - left == price, path
        before = left


@pytest.mark.parametrize(("slug", "method"), [("cent", "GET"), ("posted", "POST")])
def test_the_code_on_the_page_for_people_works_as_written(
    priced: Server, economy: Economy, slug: str, method: str
) -> None:
    url = f"{priced.url}/t/{slug}/it's?q=[1]"
    browser = {"accept": "text/html", "user-agent": "Mozilla/5.0"}
    page = httpx.get(url, headers=browser).text
    code = {
        name: html.unescape(text)
        for name, text in re.findall(r'<code class="(\w+)">(.*?)</code>', page, re.DOTALL)
    }
    commands = {
        "curl": ("sh", "-c", code["curl"]),
        "python": (sys.executable, "-W", "ignore", "-c", code["python"]),
        "javascript": (find_node(HERE), "--input-type=module", "-e", code["javascript"]),
    }
    environment = {**os.environ, "PRIVATE_KEY": economy.buyer.private_key}
    before = economy.chain.balance(economy.buyer.address)
    found = {
        name: subprocess.run(
            command, cwd=HERE.economy, env=environment, capture_output=True, text=True, check=True
        ).stdout
        for name, command in commands.items()
    }
    assert "402" in found["curl"].partition("\n")[0]
    assert "payment-required:" in found["curl"].lower()
    sent = BODY.encode() if method == "POST" else b""
    for program in ("python", "javascript"):
        received = json.loads(found[program])["request"]
        assert (received["method"], received["path"]) == (method, "/it's")
        assert received["body"]["sha256"] == hashlib.sha256(sent).hexdigest()
    assert economy.chain.balance(economy.buyer.address) == before - 2 * PRICE


def test_a_repeated_payment_gets_its_receipt(
    priced: Server, platform: Caller, economy: Economy, payer_of: PayerOf
) -> None:
    url = f"{priced.url}/t/cent/again"
    header, value = payer_of("fetch").sign(economy.buyer, url)
    before = revenue(platform)
    first = httpx.get(url, headers={header: value}, timeout=60)
    eventually(lambda: revenue(platform) == before + PRICE, "the revenue")
    money = economy.chain.balance(economy.buyer.address), revenue(platform)
    again = httpx.get(url, headers={header: value}, timeout=60)
    other = httpx.get(f"{url}?other", headers={header: value}, timeout=60)
    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 409)
    assert again.headers["payment-response"] == first.headers["payment-response"]
    assert again.json()["payment"]["state"] == "settled"
    assert (economy.chain.balance(economy.buyer.address), revenue(platform)) == money


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_that_follows_a_redirect_is_charged_once_for_its_target(
    priced: Server, platform: Caller, economy: Economy, payer_of: PayerOf, name: str, status: int
) -> None:
    before = economy.chain.balance(economy.buyer.address), revenue(platform)
    url = f"{priced.url}/t/seller/answer?status={status}&header=location:/t/seller/method"
    bought = payer_of(name).pay(economy.buyer, url)
    assert (bought.status, bought.body) == (200, "seen"), bought
    assert bought.receipt is not None
    assert bought.receipt["success"] is True
    assert economy.chain.balance(economy.buyer.address) == before[0] - PRICE
    eventually(lambda: revenue(platform) == before[1] + PRICE, "the revenue")
    reconciled_day(platform)


def test_a_failed_script_costs_nothing(priced: Server, economy: Economy, payer_of: PayerOf) -> None:
    before = economy.chain.balance(economy.buyer.address)
    bought = payer_of("fetch").pay(economy.buyer, f"{priced.url}/t/mishap/draw?fail=throw")
    assert bought.status == 502
    assert economy.chain.balance(economy.buyer.address) == before


@pytest.mark.parametrize("fault", [fail_after_success(500), drop_connection])
def test_a_settlement_whose_response_was_lost_is_resolved_and_served_once(
    priced: Server,
    platform: Caller,
    economy: Economy,
    payer_of: PayerOf,
    fault_proxy: FaultProxy,
    fault: object,
) -> None:
    before = economy.chain.balance(economy.buyer.address), revenue(platform)
    url = f"{priced.url}/t/cent/lost"
    header, value = payer_of("fetch").sign(economy.buyer, url)
    fault_proxy.then("/settle", fault)  # type: ignore[arg-type]
    lost = httpx.get(url, headers={header: value}, timeout=60)
    assert (lost.status_code, lost.json()["error"]) == (503, "facilitator_unavailable")
    receipt = json.loads(base64.b64decode(lost.headers["payment-response"]))
    assert receipt["errorReason"] == "settlement_pending"

    def served() -> bool:
        cron(priced)
        return httpx.get(url, headers={header: value}, timeout=60).status_code == 200

    # Cron checks a pending payment again after half a minute.
    eventually(served, "the settlement to be proven", 60, poll_seconds=1)
    assert economy.chain.balance(economy.buyer.address) == before[0] - PRICE
    assert revenue(platform) == before[1] + PRICE
    reconciled_day(platform)


def test_an_invalid_payment_header_is_refused_with_the_reason(priced: Server) -> None:
    for value, words in (("x" * 100_000, "100000"), ("!", "base64"), ("e30=", "x402Version")):
        response = httpx.get(f"{priced.url}/t/cent/", headers={"payment-signature": value})
        assert (response.status_code, response.json()["error"]) == (402, "payment_invalid")
        assert words in response.json()["message"]


def test_health_reports_that_payments_work(platform: Caller) -> None:
    health = platform.platform("health")
    assert health["problems"] == []
    assert health["payments"]["pricedApis"] == len(TENANTS["tenants"])
    assert health["payments"]["facilitators"][0]["supports"] == ["eip155:84532"]
