"""`make dev PAYMENTS=1` starts an economy, which ends with the dispatcher."""

import json
import signal
import sys
from pathlib import Path

import httpx
import pytest

from dev.economy.announcement import FILE_NAME

from .launching import launched, until_refused

DEMO = {"PAYMENTS": "1", "TENANTS": "", "NAMESPACE": ""}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_economy_ends_with_the_launcher(tmp_path: Path, number: signal.Signals) -> None:
    with launched(tmp_path, **DEMO) as launch:
        port = int(launch.read_until("^Ready on").rpartition(":")[2])
        line = launch.read_until("^Chain at ")
        urls = [word.rstrip(",") for word in line.split() if word.startswith("http")]
        launch.read_until("make pay")
        assert "  make pay API=rates STATE=" in launch.lines[-1]
        kinds = httpx.get(f"{urls[1]}/supported").json()["kinds"]
        assert {"x402Version": 2, "scheme": "exact", "network": "eip155:84532"} in kinds
        announcement = tmp_path / "state" / FILE_NAME
        assert json.loads(announcement.read_text())["rpc_url"] == urls[0]
        launch.process.send_signal(number)
        code = launch.process.wait(30)
        assert code == (-number if number is signal.SIGKILL else 0)
        for url in (f"http://localhost:{port}", *urls):
            until_refused(int(url.rpartition(":")[2]))
        assert announcement.exists() is (number is signal.SIGKILL)


def test_without_payments_there_is_no_priced_api_and_no_chain(tmp_path: Path) -> None:
    with launched(tmp_path, TENANTS="", NAMESPACE="") as launch:
        url = launch.read_until("^Ready on").split()[-1]
        launch.read_until("__platform/analytics")
        assert not any("Chain at" in line for line in launch.lines)
        assert httpx.get(f"{url}/t/rates/").json()["error"] == "tenant_not_found"
        assert httpx.get(f"{url}/t/exchange/").status_code == 200


def test_an_unknown_value_of_payments_is_reported_in_one_line(tmp_path: Path) -> None:
    with launched(tmp_path, PAYMENTS="yes") as launch:
        output, _ = launch.process.communicate(timeout=30)
        assert launch.process.returncode == 2
    assert output == "error: PAYMENTS=yes is unknown: use PAYMENTS=1, or leave it out.\n"
