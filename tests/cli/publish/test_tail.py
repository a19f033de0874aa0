"""`clawr logs` on an account: Cloudflare's tail of the dispatcher."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from cli.account_api import open_account
from cli.apis.tail import follow_tail
from cli.errors import NetworkError, QuotaError
from cli.secret import Secret
from cli.targets import Account
from tests.cli import small_dispatcher
from tests.cli.command import clawr_inside, clawr_running
from tests.cloudflare import faults
from tests.cloudflare.fake_account import ACCOUNT, TOKEN, FakeAccount
from tests.e2e.caller import eventually

NAME = "market"
TRACE: dict[str, Any] = {
    "scriptName": "hello",
    "dispatchNamespace": "market-scripts",
    "outcome": "exception",
    "eventTimestamp": 1_796_071_213_144,
    "event": {"request": {"method": "GET", "url": "https://api.example/a", "headers": {}}},
    "logs": [{"level": "log", "message": ["said"], "timestamp": 1_796_071_213_144}],
    "exceptions": [
        {
            "name": "TypeError",
            "message": "broken",
            "stack": "    at fetch (index.js:3:4)",
            "timestamp": 1_796_071_213_144,
        }
    ],
}


@pytest.fixture
def account(fake_account: FakeAccount, tmp_path: Path) -> FakeAccount:
    """An account with a dispatcher and one published API."""
    small_dispatcher.deploy(fake_account, NAME, stores="market")
    (tmp_path / "hello.js").write_text("export default { fetch: () => new Response('hello') };\n")
    asked = ("publish", "hello.js", "--slug", "hello", "--execute")
    assert clawr_inside(*asked, settings=fake_account.settings, folder=tmp_path).code == 0
    return fake_account


def test_the_tail_shows_the_script_and_is_deleted_at_the_end(account: FakeAccount) -> None:
    with clawr_running("logs", "hello", "--follow", settings=account.settings) as process:
        assert process.stdout is not None
        eventually(lambda: account.tails.connected == [NAME], "the tail is read")
        account.tails.say({**TRACE, "scriptName": "other"})
        account.tails.say({"event": {"type": "overload", "message": "Tail is sampling."}})
        account.tails.say(TRACE)
        lines = [process.stdout.readline().rstrip("\n") for _ in range(4)]
        assert lines == [
            "2026-11-30 20:40:13  ---  GET /a  threw an exception",
            "  log    said",
            "  TypeError: broken",
            "      at fetch (index.js:3:4)",
        ]
        # When its time is over, another tail continues.
        account.tails.end()
        eventually(lambda: account.tails.connected == [NAME, NAME], "the next tail is read")
        account.tails.say({**TRACE, "logs": [], "exceptions": [], "outcome": "ok"})
        assert process.stdout.readline().endswith("GET /a\n")
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    assert process.returncode == 130
    assert "Tail is sampling." in told
    assert "starting another one" in told
    assert "Traceback" not in told
    assert account.tails.tails == {}


def test_the_past_of_an_account_is_in_the_usage_log_only(account: FakeAccount) -> None:
    ran = clawr_inside("logs", "hello", settings=account.settings)
    assert (ran.code, "Add --follow, or set CLAWR_URL" in ran.err) == (2, True)


def test_a_tail_that_cannot_be_created_is_explained(account: FakeAccount) -> None:
    account.fail("POST", "*/tails", faults.FORBIDDEN)
    ran = clawr_inside("logs", "hello", "--follow", settings=account.settings)
    assert (ran.code, "The token lacks a permission (starting a tail" in ran.err) == (3, True)


def test_a_tail_that_cannot_be_read_is_an_outage(account: FakeAccount) -> None:
    notes: list[str] = []
    # The URL of a tail that was deleted is refused.
    account.tails.url = account.tails.url.replace("/client", "/gone")
    with open_account(Account(account.url, ACCOUNT, Secret(TOKEN))) as client:
        with pytest.raises(NetworkError, match=f"The tail of {NAME} could not be read"):
            next(follow_tail(client, ACCOUNT, NAME, notes.append))
        for _ in range(10):
            client.workers.scripts.tail.create(NAME, account_id=ACCOUNT, extra_body={"filters": []})
        with pytest.raises(QuotaError):
            next(follow_tail(client.with_options(max_retries=0), ACCOUNT, NAME, notes.append))


def test_an_api_of_the_dispatchers_variable_is_not_overwritten(
    fake_account: FakeAccount, tmp_path: Path
) -> None:
    record = {"slug": "fixed", "tenantId": "theirs", "workerName": "fixed"}
    text = json.dumps({"tenants": [record, {"plan": "free"}]})
    variable = {"type": "plain_text", "name": "TENANT_DIRECTORY_JSON", "text": text}
    small_dispatcher.deploy(fake_account, NAME, stores="market", bindings=[variable])
    (tmp_path / "fixed.js").write_text("export default { fetch: () => new Response('x') };\n")

    def clawr(*arguments: str) -> Any:
        return clawr_inside(*arguments, settings=fake_account.settings, folder=tmp_path)

    taken = clawr("publish", "fixed.js", "--execute")
    assert taken.code == 5
    assert "fixed of TENANT_DIRECTORY_JSON belongs to theirs" in taken.err
    listed = clawr("apis", "--json").document
    assert [(one["slug"], one["source"]) for one in listed["apis"]] == [
        ("fixed", "TENANT_DIRECTORY_JSON")
    ]
    assert "tenants[1]" in listed["problems"][0]
    # Its script does not exist, which `show` says.
    assert "no script fixed" in " ".join(clawr("show", "fixed", "--json").document["problems"])
    own = clawr("publish", "fixed.js", "--tenant-id", "theirs", "--description", "x", "--execute")
    assert own.code == 0, own.err
    assert asyncio.run(fake_account.kv.namespaces())
    (row,) = clawr("apis", "--json").document["apis"]
    assert row["source"] == "TENANT_KV"
