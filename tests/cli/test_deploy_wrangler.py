"""wrangler's failures become errors with a log file, without secrets."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.deploy.wrangler import Wrangler
from cli.errors import (
    AccessError,
    CommandError,
    ConflictError,
    MissingError,
    NetworkError,
    QuotaError,
    ScriptError,
    StartupError,
)
from cli.secret import Secret
from cli.targets import Account
from dev.launch.run_folder import RunFolder
from dev.layout import HERE
from tests.cloudflare import faults
from tests.cloudflare.fake_account import FakeAccount
from tests.cloudflare.faults import Fault

SECRET = "hidden-in-the-workers-variables"
CONFIG = {
    "name": "small",
    "main": "small.mjs",
    "compatibility_date": "2026-11-17",
    "workers_dev": False,
    "vars": {"SHOWN": SECRET},
}


@pytest.fixture(scope="module")
def folder() -> Iterator[RunFolder]:
    """The folder of a small Worker."""
    folder = RunFolder(HERE)
    (folder.path / "small.mjs").write_text("export default { fetch: () => new Response() }")
    folder.write_config(CONFIG)
    yield folder
    folder.remove()


@pytest.fixture
def wrangler(folder: RunFolder, fake_account: FakeAccount) -> Wrangler:
    account = Account(fake_account.url, fake_account.account_id, Secret(fake_account.token))
    return Wrangler(HERE, folder, account, (SECRET,))


def failure(wrangler: Wrangler) -> CommandError:
    """Return the error of a failing deployment."""
    with pytest.raises(CommandError) as caught:
        wrangler.run("deploy", name="deploy", failure="It could not be deployed.")
    log = Path(caught.value.advice.partition("Log: ")[2])
    shown = log.read_text() + caught.value.message + caught.value.advice
    log.unlink()
    assert SECRET not in shown
    assert wrangler.account is not None
    assert wrangler.account.token.reveal() not in shown
    return caught.value


def test_a_successful_run_returns_records_and_leaves_no_log(wrangler: Wrangler) -> None:
    lines: list[str] = []
    ran = replace(wrangler, on_line=lines.append).run("deploy", name="deploy", failure="It failed.")
    assert ran.record("deploy")["version_id"]
    assert any("Uploaded" in line for line in lines)
    assert SECRET not in ran.output
    assert not list(HERE.logs.glob(f"{wrangler.folder.path.name}-*.log"))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (faults.UNAUTHORIZED, AccessError),
        (faults.NOT_FOUND, MissingError),
        (faults.CONFLICT, ConflictError),
        (faults.TOO_MANY_SCRIPTS, QuotaError),
        (faults.BAD_GATEWAY, NetworkError),
        (faults.CUT, NetworkError),
        (faults.INVALID_SCRIPT, ScriptError),
        (faults.SLOW_STARTUP, StartupError),
    ],
    ids=["401", "404", "409", "quota", "502", "cut", "invalid", "slow"],
)
def test_each_failure_has_its_error(
    wrangler: Wrangler, fake_account: FakeAccount, fault: Fault, kind: type[CommandError]
) -> None:
    fake_account.fail("GET", "*/workers/services/small", fault, times=None)
    fake_account.fail("PUT", "*/workers/scripts/small", fault, times=None)
    error = failure(wrangler)
    assert type(error) is kind
    assert error.message.startswith("It could not be deployed. wrangler: ")


def test_a_rate_limited_request_is_retried(wrangler: Wrangler, fake_account: FakeAccount) -> None:
    fake_account.fail("PUT", "*/workers/scripts/small", faults.RATE_LIMITED)
    wrangler.run("deploy", name="deploy", failure="It could not be deployed.")
    puts = [one.status for one in fake_account.requests if one.method == "PUT"]
    assert puts[:2] == [429, 200]


def test_a_server_that_does_not_respond_times_out(
    wrangler: Wrangler, fake_account: FakeAccount
) -> None:
    fake_account.fail("PUT", "*/workers/scripts/small", faults.TIMED_OUT)
    error = failure(replace(wrangler, seconds_max=4))
    assert isinstance(error, NetworkError)
    assert "timed out after 4 s" in error.message


def test_an_unreachable_api_is_a_network_error(wrangler: Wrangler) -> None:
    assert wrangler.account is not None
    unreachable = replace(wrangler.account, url="http://127.0.0.1:9/client/v4")
    assert isinstance(failure(replace(wrangler, account=unreachable)), NetworkError)
