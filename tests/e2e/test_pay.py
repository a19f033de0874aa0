"""`make pay` pays with the official client, and its output matches the chain."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dev.economy import Economy
from dev.economy.announcement import FILE_NAME, announced
from dev.layout import HERE

from .conftest import Shops
from .fault_proxy import refused_address
from .paid_dispatcher import PaidDispatcher
from .shops import PRICE


@pytest.fixture
def state(economy: Economy, shops: Shops, tmp_path: Path) -> Iterator[Path]:
    """The STATE of a server with priced APIs, here the official one."""
    parts = urlsplit(shops.v2)
    with announced(
        tmp_path, f"{parts.scheme}://{parts.netloc}", economy.rpc_url, economy.solana_rpc_url
    ):
        yield tmp_path


def pay(state: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command of `make pay`."""
    return subprocess.run(
        [sys.executable, "-m", "dev.economy"],
        cwd=HERE.root,
        env={**os.environ, "STATE": str(state), "COLUMNS": "200", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_output_has_price_receipts_responses_and_both_balances(
    economy: Economy, state: Path
) -> None:
    before = economy.chain.balance(economy.buyer.address)
    shown = pay(state, API="priced/cent", BODY="hello", COUNT="3")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"costs $0.010000 on base-sepolia, payable to {economy.payee}." in shown.stdout
    receipts = re.findall(r"^200, receipt (0x[0-9a-f]{64})$", shown.stdout, re.MULTILINE)
    assert len(set(receipts)) == 3
    assert all(economy.chain.transaction(receipt) for receipt in receipts)
    assert shown.stdout.count('  {"method":"POST","body":"hello"}\n') == 3
    assert re.search(r"buyer +\$[\d,.]+ +\$[\d,.]+ +-\$0\.030000", shown.stdout)
    assert re.search(r"payee +\$[\d,.]+ +\$[\d,.]+ +\+\$0\.030000", shown.stdout)
    assert economy.chain.balance(economy.buyer.address) == before - 3 * PRICE


def test_it_pays_the_dispatcher(paid_dispatcher: PaidDispatcher, tmp_path: Path) -> None:
    economy = paid_dispatcher.economy
    paid = economy.chain.balance(economy.payee)
    nodes = (economy.rpc_url, economy.solana_rpc_url)
    with announced(tmp_path, paid_dispatcher.server.url, *nodes):
        shown = pay(tmp_path, API="sold-by-platform/loaf?thick=1", METHOD="PUT", BODY="hello")
        failed = pay(tmp_path, API="sold-by-platform/?status=500")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert '"goods":"bread","method":"PUT","path":"/loaf","body":"hello"' in shown.stdout
    assert paid_dispatcher.economy.chain.balance(paid_dispatcher.economy.payee) == paid + PRICE
    assert failed.returncode == 1
    assert "500, not paid: the response 500 has no receipt" in failed.stdout


@pytest.mark.parametrize(
    ("variables", "code", "advice"),
    [
        ({"API": "free"}, 1, "requires no payment, it responds with 404"),
        ({"COUNT": "none"}, 2, "COUNT=none is not a whole number"),
        ({"API": "priced/cent", "NETWORK": "solana-devnet"}, 2, "cannot be paid on solana-devnet"),
        ({"STATE": "/nowhere"}, 2, "start one with `make dev PAYMENTS=1`"),
    ],
)
def test_a_payment_that_cannot_be_made_is_reported_in_one_line(
    state: Path, variables: dict[str, str], code: int, advice: str
) -> None:
    shown = pay(state, **variables)
    assert (shown.returncode, shown.stdout) == (code, "")
    assert shown.stderr.startswith("error: ")
    assert advice in shown.stderr
    assert shown.stderr.count("\n") == 1


def test_a_failed_payment_fails_the_command(economy: Economy, state: Path) -> None:
    economy.chain.block(economy.buyer.address)
    try:
        shown = pay(state, API="priced/cent")
    finally:
        economy.chain.unblock(economy.buyer.address)
    assert shown.returncode == 1
    assert "402, not paid: the response 402 has no receipt" in shown.stdout
    assert shown.stderr.startswith("error: 1 of 1 failed")


def test_a_killed_dispatcher_is_reported_as_ended(tmp_path: Path) -> None:
    url = refused_address()
    with announced(tmp_path, url, url, url):
        shown = pay(tmp_path)
    assert shown.returncode == 2
    assert "has stopped" in shown.stderr
    assert not (tmp_path / FILE_NAME).exists()
