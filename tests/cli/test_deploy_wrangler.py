"""How wrangler's failures reach people: what they mean, where the rest is, and no secret."""

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
)
from cli.secret import Secret
from cli.targets import Account
from dev.launch.run_folder import RunFolder
from dev.layout import HERE
from tests.cloudflare import faults
from tests.cloudflare.faults import Fault
from tests.cloudflare.stand_in import StandIn

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
    """A small Worker, whose deployment takes a second."""
    folder = RunFolder(HERE)
    (folder.path / "small.mjs").write_text("export default { fetch: () => new Response() }")
    folder.write_config(CONFIG)
    yield folder
    folder.remove()


@pytest.fixture
def wrangler(folder: RunFolder, stand_in: StandIn) -> Wrangler:
    account = Account(stand_in.url, stand_in.account_id, Secret(stand_in.token))
    return Wrangler(HERE, folder, account, (SECRET,))


def failure(wrangler: Wrangler) -> CommandError:
    """Return what a deployment fails with."""
    with pytest.raises(CommandError) as caught:
        wrangler.run("deploy", name="deploy", failure="It could not be deployed.")
    log = Path(caught.value.advice.partition("Log: ")[2])
    said = log.read_text() + caught.value.message + caught.value.advice
    log.unlink()
    assert SECRET not in said
    assert wrangler.account is not None
    assert wrangler.account.token.reveal() not in said
    return caught.value


def test_a_run_that_goes_well_leaves_its_records_and_no_log(wrangler: Wrangler) -> None:
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
    ],
    ids=["401", "404", "409", "quota", "502", "cut"],
)
def test_each_way_to_fail_has_its_kind(
    wrangler: Wrangler, stand_in: StandIn, fault: Fault, kind: type[CommandError]
) -> None:
    stand_in.fail("GET", "*/workers/services/small", fault, times=None)
    stand_in.fail("PUT", "*/workers/scripts/small", fault, times=None)
    error = failure(wrangler)
    assert type(error) is kind
    assert error.message.startswith("It could not be deployed. wrangler says: ")


def test_a_wait_that_is_asked_for_is_kept(wrangler: Wrangler, stand_in: StandIn) -> None:
    stand_in.fail("PUT", "*/workers/scripts/small", faults.RATE_LIMITED)
    wrangler.run("deploy", name="deploy", failure="It could not be deployed.")
    puts = [one.status for one in stand_in.requests if one.method == "PUT"]
    assert puts[:2] == [429, 200]


def test_a_server_that_never_answers_is_not_waited_for_without_end(
    wrangler: Wrangler, stand_in: StandIn
) -> None:
    stand_in.fail("PUT", "*/workers/scripts/small", faults.TIMED_OUT)
    error = failure(replace(wrangler, seconds_max=4))
    assert isinstance(error, NetworkError)
    assert "not done after 4 s" in error.message


def test_nobody_at_the_address_is_a_failure_of_the_network(wrangler: Wrangler) -> None:
    assert wrangler.account is not None
    nobody = replace(wrangler.account, url="http://127.0.0.1:9/client/v4")
    assert isinstance(failure(replace(wrangler, account=nobody)), NetworkError)
