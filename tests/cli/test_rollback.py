"""`clawr rollback` restores an earlier version, and refuses what would lose data."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tests.cloudflare import faults
from tests.cloudflare.fake_account import FakeAccount

from . import small_dispatcher
from .command import Ran, clawr_inside
from .loopback import Reply, answering
from .small_dispatcher import CODE

NEW_CODE = CODE + "// new\n"


def text(name: str, value: str) -> Mapping[str, str]:
    return {"type": "plain_text", "name": name, "text": value}


def secret(value: str) -> Mapping[str, str]:
    return {"type": "secret_text", "name": "CALLER_HASH_SECRET", "text": value}


def rollback(account: FakeAccount, *arguments: str, **settings: str) -> Ran:
    return clawr_inside("rollback", *arguments, settings={**account.settings, **settings})


def serving(account: FakeAccount) -> str:
    worker = account.workers.find("market")
    assert worker is not None
    (version,) = worker.deployments[-1]["versions"]
    assert version["percentage"] == 100
    return str(version["version_id"])


@pytest.fixture
def two(fake_account: FakeAccount) -> tuple[str, str]:
    """Two versions of a dispatcher, of which the second serves; their ids."""
    first = small_dispatcher.deploy(fake_account, stores="market", bindings=[text("A", "1")])
    scripts = fake_account.workers.find("market")
    assert scripts is not None
    kept = [dict(one) for one in scripts.versions[0].script.bindings if one["name"] != "A"]
    second = small_dispatcher.deploy(fake_account, shard=None, bindings=kept, code=NEW_CODE)
    return first, second


def test_without_execute_it_shows_what_it_would_restore(
    fake_account: FakeAccount, two: tuple[str, str]
) -> None:
    ran = rollback(fake_account)
    assert ran.code == 0, ran.err
    assert two[0] in ran.out
    assert "+ A (variable)" in ran.out
    assert "migrations of the database stay applied" in ran.out
    assert ran.out.rstrip().endswith("Add --execute to apply.")
    assert serving(fake_account) == two[1]
    assert {one.method for one in fake_account.requests[-8:]} == {"GET"}


def test_it_restores_the_version_that_served_before_and_checks_the_dispatcher(
    fake_account: FakeAccount, two: tuple[str, str]
) -> None:
    with answering(lambda _: Reply({"ok": True})) as server:
        ran = rollback(fake_account, "--execute", "--url", server.url, "--wait", "0", "--json")
    assert ran.document["executed"], ran.err
    assert ran.document["target"]["versionId"] == serving(fake_account) == two[0]
    assert ran.document["inspection"]["url"] == server.url
    worker = fake_account.workers.find("market")
    assert worker is not None
    assert worker.deployments[-1]["annotations"]["workers/message"] == "clawr rollback"
    script = fake_account.workers.scripts.read("market")
    assert script is not None
    assert script.modules[0].content.decode() == CODE


def test_a_dispatcher_that_does_not_respond_afterwards_is_a_finding(
    fake_account: FakeAccount, two: tuple[str, str]
) -> None:
    ran = rollback(fake_account, "--execute", "--url", "http://127.0.0.1:9", "--wait", "0")
    assert ran.code == 8
    assert serving(fake_account) == two[0]


@pytest.mark.parametrize("length", [8, 36])
def test_a_version_may_be_named_by_the_beginning_of_its_id(
    fake_account: FakeAccount, two: tuple[str, str], length: int
) -> None:
    ran = rollback(fake_account, two[0][:length], "--json")
    assert ran.document["target"]["versionId"] == two[0]


def test_an_unknown_or_ambiguous_version_is_refused_with_those_that_exist(
    fake_account: FakeAccount, two: tuple[str, str]
) -> None:
    ran = rollback(fake_account, "nothing")
    assert ran.code == 4
    assert two[0] in ran.err
    assert rollback(fake_account, "").code == 2


def test_the_serving_version_needs_no_rollback(
    fake_account: FakeAccount, two: tuple[str, str]
) -> None:
    ran = rollback(fake_account, two[1], "--execute", "--json")
    assert (ran.code, ran.document["upToDate"], ran.document["executed"]) == (0, True, False)
    assert serving(fake_account) == two[1]


def test_without_an_earlier_version_there_is_nothing_to_return_to(
    fake_account: FakeAccount,
) -> None:
    small_dispatcher.deploy(fake_account, stores="market")
    ran = rollback(fake_account)
    assert (ran.code, "served all requests before" in ran.err) == (4, True)


def test_it_is_refused_across_a_migration_of_durable_objects(fake_account: FakeAccount) -> None:
    small_dispatcher.deploy(fake_account)
    second = small_dispatcher.deploy(
        fake_account,
        migrations={"old_tag": "usage-shard", "new_tag": "other", "new_sqlite_classes": ["Other"]},
    )
    ran = rollback(fake_account, "--execute")
    assert ran.code == 5
    assert "migration usage-shard" in ran.err
    assert "wrangler.toml" in ran.err
    assert serving(fake_account) == second


def test_it_is_refused_if_fewer_shards_would_be_read(fake_account: FakeAccount) -> None:
    small_dispatcher.deploy(fake_account)
    second = small_dispatcher.deploy(fake_account, bindings=[text("USAGE_SHARDS", "4")])
    ran = rollback(fake_account, "--execute")
    assert (ran.code, "1 shards, the serving one 4" in ran.err) == (5, True)
    assert serving(fake_account) == second


def test_changed_secrets_are_restored_only_with_the_option(fake_account: FakeAccount) -> None:
    first = small_dispatcher.deploy(fake_account, bindings=[secret("swordfish")])
    second = small_dispatcher.deploy(fake_account, bindings=[secret("herring")])
    ran = rollback(fake_account, "--execute")
    assert (ran.code, "--restore-secrets" in ran.err) == (5, True)
    assert serving(fake_account) == second
    forced = rollback(
        fake_account, "--execute", "--restore-secrets", "--url", "http://127.0.0.1:9", "--wait", "0"
    )
    assert serving(fake_account) == first
    assert "swordfish" not in ran.out + ran.err + forced.out + forced.err


def test_secrets_that_the_version_lacks_are_shown(fake_account: FakeAccount) -> None:
    small_dispatcher.deploy(fake_account)
    small_dispatcher.deploy(fake_account, bindings=[secret("herring")])
    assert "- secret CALLER_HASH_SECRET" in rollback(fake_account).out


def test_a_store_that_no_longer_exists_is_named(
    fake_account: FakeAccount, two: tuple[str, str]
) -> None:
    fake_account.namespaces.remove("market-scripts")
    ran = rollback(fake_account, "--execute")
    assert ran.code != 0
    assert "DISPATCHER" in ran.err
    assert serving(fake_account) == two[1]


def test_a_gradual_deployment_can_be_returned_to_its_main_version(
    fake_account: FakeAccount, two: tuple[str, str]
) -> None:
    worker = fake_account.workers.find("market")
    assert worker is not None
    shares: list[dict[str, Any]] = [
        {"version_id": two[1], "percentage": 90},
        {"version_id": two[0], "percentage": 10},
    ]
    worker.deploy(shares, {})
    ran = rollback(fake_account, two[1], "--json")
    assert ran.document["upToDate"] is False
    assert rollback(fake_account, "--json").document["target"]["versionId"] == two[0]


def test_the_worker_is_named_by_option_or_setting(fake_account: FakeAccount) -> None:
    for name in ("market", "staging"):
        small_dispatcher.deploy(fake_account, name)
        small_dispatcher.deploy(fake_account, name)
    assert rollback(fake_account).code == 2
    named = rollback(fake_account, "--script-name", "staging", "--json")
    assert named.document["scriptName"] == "staging"
    by_setting = rollback(fake_account, "--json", CLAWR_SCRIPT_NAME="market")
    assert by_setting.document["scriptName"] == "market"
    missing = rollback(fake_account, "--script-name", "nothing")
    assert (missing.code, "no Worker nothing" in missing.err) == (4, True)


def test_an_account_without_a_dispatcher_is_an_error(fake_account: FakeAccount) -> None:
    assert rollback(fake_account).code == 4
    asyncio.run(fake_account.kv.create("TENANT_KV"))
    fake_account.fail("GET", "*/durable_objects/namespaces", faults.FORBIDDEN)
    assert rollback(fake_account).code == 3
