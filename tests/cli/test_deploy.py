"""`clawr deploy-dispatcher --execute` deploys the real Worker with the real wrangler."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cloudflare
import pytest

from tests.cloudflare import faults
from tests.cloudflare.fake_account import TOKEN as ACCOUNT_TOKEN
from tests.cloudflare.fake_account import FakeAccount, running_account_server
from tests.cloudflare.recording import Sent
from tests.cloudflare.workers import Worker

from .command import Ran, clawr_inside
from .market import TOKEN, running_market

NAME = "market"
OPTIONS = ("deploy-dispatcher", "--script-name", NAME, "--dispatch-namespace", "scripts")
SECRETS = {
    "CALLER_HASH_SECRET": "hidden-hash-secret",
    "PLATFORM_ANALYTICS_TOKEN": TOKEN,
    "FACILITATOR_API_KEY": "hidden-facilitator-key",
}
HIDDEN = (*SECRETS.values(), ACCOUNT_TOKEN)
READS = ("SELECT",)


@dataclass(frozen=True, slots=True)
class Deployments:
    """The results of a dry run and three deployments to an empty account.

    Args:
        account: The account.
        dry: The dry run.
        failed: The first deployment, in which the database's migrations fail.
        first: The first successful deployment.
        second: The deployment after it.
        sent: The requests of each of them.
    """

    account: FakeAccount
    dry: Ran
    failed: Ran
    first: Ran
    second: Ran
    sent: list[list[Sent]]

    @property
    def worker(self) -> Worker:
        worker = self.account.workers.find(NAME)
        assert worker is not None
        return worker


@pytest.fixture(scope="module")
def deployments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployments]:
    file = tmp_path_factory.mktemp("env") / "production.env"
    file.write_text("".join(f"{name}={text}\n" for name, text in SECRETS.items()))
    # Its own market, because publishing changes a market's health; and its own server, because the
    # tests that use `fake_account` share another one.
    with (
        running_market(tmp_path_factory.mktemp("market")) as market,
        running_account_server() as server,
        FakeAccount().on(server) as account,
    ):
        common = (*OPTIONS, "--create-missing", "--env", file, "--url", market.url, "--json")
        runs: list[Ran] = []
        sent: list[list[Sent]] = []
        for more in ((), ("--execute",), ("--execute",), ("--execute",)):
            before = len(account.requests)
            if len(runs) == 1:
                account.fail("POST", "*/query", faults.FORBIDDEN)
            if len(runs) == 2:
                account.fail("PUT", f"*/workers/scripts/{NAME}", faults.SLOW_STARTUP)
            runs.append(clawr_inside(*common, *more, settings=account.settings))
            sent.append(account.requests[before:])
        dry, failed, first, second = runs
        yield Deployments(account, dry, failed, first, second, sent)
        log_of(failed).unlink()
        assert not account.record.wrong


def log_of(ran: Ran) -> Path:
    """Return the log file in the advice of a failure."""
    return Path(ran.document["advice"].partition("Log: ")[2])


def changing(requests: list[Sent]) -> list[str]:
    """Return the requests that are not reads."""
    return [
        f"{one.method} {one.path}"
        for one in requests
        if one.method != "GET"
        and not (one.path.endswith("/query") and one.document["sql"].startswith(READS))
    ]


def test_a_dry_run_changes_nothing(deployments: Deployments) -> None:
    assert deployments.dry.code == 0, deployments.dry.out
    assert changing(deployments.sent[0]) == []
    assert {"sign": "+", "what": f"the Worker {NAME}"} in deployments.dry.document["changes"]


def test_a_failed_deployment_names_the_step_and_the_log(deployments: Deployments) -> None:
    assert deployments.failed.code == 3
    assert "database migrations could not be applied" in deployments.failed.document["message"]
    assert "Authentication error" in log_of(deployments.failed).read_text()


def test_stores_created_before_a_failure_are_found_again(deployments: Deployments) -> None:
    assert deployments.first.code == 0, deployments.first.out + deployments.first.err
    assert deployments.first.document["deployment"]["made"] == []
    assert {one["name"]: one["origin"] for one in deployments.first.document["resources"]} == {
        f"{NAME}-usage": "found",
        f"{NAME}-tenants": "found",
        f"{NAME}-control": "found",
        "scripts": "given",
    }


def test_created_stores_are_bound(deployments: Deployments) -> None:
    bindings = {one["name"]: one for one in deployments.worker.versions[0].script.bindings}
    assert bindings["DISPATCHER"]["namespace"] == "scripts"
    ids = {one["binding"]: one["id"] for one in deployments.first.document["resources"]}
    assert bindings["USAGE_KV"]["namespace_id"] == ids["USAGE_KV"]
    assert bindings["TENANT_KV"]["namespace_id"] == ids["TENANT_KV"]
    assert deployments.worker.schedules == ["* * * * *"]


def test_a_startup_that_takes_too_long_is_tried_again(deployments: Deployments) -> None:
    uploads = [one.path for one in deployments.sent[2] if one.path.endswith(f"/scripts/{NAME}")]
    assert len(uploads) == 2


def test_secrets_and_code_are_uploaded_as_one_version(deployments: Deployments) -> None:
    version = deployments.worker.versions[0]
    secrets = {one["name"] for one in version.script.bindings if one["type"] == "secret_text"}
    assert secrets == set(SECRETS)


def test_the_version_is_tagged_with_its_digest(deployments: Deployments) -> None:
    version = deployments.worker.versions[0]
    digest = deployments.second.document["digest"]
    assert version.metadata["annotations"]["workers/tag"] == f"clawr-{digest[:12]}"


def test_the_database_has_its_migrations(deployments: Deployments) -> None:
    applied = deployments.first.document["deployment"]["migrationsApplied"]
    assert applied == ["0001_payments.sql", "0002_upto.sql"]
    assert deployments.second.document["databaseMigrations"]["pending"] == []


def test_a_second_deployment_uploads_nothing(deployments: Deployments) -> None:
    assert deployments.second.code == 0, deployments.second.out
    assert deployments.second.document["changes"] == []
    assert deployments.second.document["deployment"] is None
    assert changing(deployments.sent[3]) == []


def test_the_dispatcher_is_checked_after_each_deployment(deployments: Deployments) -> None:
    for ran in (deployments.first, deployments.second):
        found = ran.document["inspection"]
        assert found["answers"]
        assert found["callsToday"] >= 0
        assert found["apis"] > 0
        assert found["problems"] == []


def test_no_secret_is_printed_or_left_in_a_log(deployments: Deployments) -> None:
    ran = (deployments.dry, deployments.failed, deployments.first, deployments.second)
    shown = [one.out + one.err for one in ran] + [log_of(deployments.failed).read_text()]
    assert [text for text in shown for hidden in HIDDEN if hidden in text] == []


def test_changes_by_other_means_are_detected_and_reverted(deployments: Deployments) -> None:
    deployments.worker.schedules = []
    settings = {**deployments.account.settings, **SECRETS}
    done = clawr_inside(*OPTIONS, "--execute", "--wait", "0", "--json", settings=settings)
    assert done.document["changes"] == [{"sign": "+", "what": "schedule * * * * *"}]
    assert deployments.worker.schedules == ["* * * * *"]
    # The Worker does not run at the address in the fake account.
    assert (done.code, done.document["inspection"]["answers"]) == (8, False)


def test_existing_secrets_are_kept(deployments: Deployments) -> None:
    settings = {**deployments.account.settings, "PLATFORM_ANALYTICS_TOKEN": "another"}
    ran = clawr_inside(*OPTIONS, settings=settings)
    assert "PLATFORM_ANALYTICS_TOKEN  already set; kept" in ran.out
    assert "No changes" in ran.out


def test_a_domain_is_added_and_not_taken_from_another_worker(
    deployments: Deployments,
) -> None:
    account = deployments.account
    account.zones.add("example.com")
    with cloudflare.Cloudflare(base_url=account.url, api_token=account.token) as client:
        for host, name in (("taken.example.com", "other"), ("old.example.com", NAME)):
            client.workers.domains.update(
                account_id=account.account_id, hostname=host, service=name
            )
    settings = {**account.settings, **SECRETS}
    refused = clawr_inside(*OPTIONS, "--domain", "taken.example.com", settings=settings)
    assert refused.code == 5
    assert "other" in refused.err
    domain = ("--domain", "api.example.com")
    clawr_inside(*OPTIONS, *domain, "--execute", "--wait", "0", settings=settings)
    hosts = {one["hostname"]: one["service"] for one in account.zones.domains.values()}
    assert hosts == {
        "taken.example.com": "other",
        "old.example.com": NAME,
        "api.example.com": NAME,
    }


def test_without_a_required_secret_nothing_is_changed(fake_account: FakeAccount) -> None:
    ran = clawr_inside(*OPTIONS, "--create-missing", "--execute", settings=fake_account.settings)
    assert ran.code == 2
    assert "CALLER_HASH_SECRET is not set" in ran.err
    assert "openssl rand" in ran.err
    assert changing(fake_account.requests) == []


def test_publishing_finds_the_stores_that_the_deployment_created(
    deployments: Deployments, tmp_path: Path
) -> None:
    (tmp_path / "hello.js").write_text("export default { fetch: () => new Response('hello') };\n")
    before = len(deployments.account.requests)
    publish = ("publish", "hello.js", "--slug", "hello", "--execute")
    ran = clawr_inside(*publish, settings=deployments.account.settings, folder=tmp_path)
    assert ran.code == 0, ran.err
    ids = {one["binding"]: one["id"] for one in deployments.first.document["resources"]}
    written = [
        one.path for one in deployments.account.requests[before:] if one.method in ("PUT", "POST")
    ]
    assert any("/dispatch/namespaces/scripts/scripts/hello" in path for path in written)
    assert any(f"/namespaces/{ids['TENANT_KV']}/bulk" in path for path in written)
