"""`clawr doctor` checks the dispatcher that is deployed, whatever its stores are called."""

from cli.doctor.account import check_account
from cli.doctor.check import State
from cli.secret import Secret
from cli.targets import Account, Target
from dev.layout import HERE
from tests.cloudflare.fake_account import FakeAccount

from . import small_dispatcher


def states(account: FakeAccount, **settings: str) -> dict[str, tuple[State, str]]:
    target = Target(
        is_local=False,
        settings=settings,
        state=None,
        known_account=Account(account.url, account.account_id, Secret(account.token)),
        known_dispatcher=None,
    )
    checks = check_account(target, HERE.wrangler_toml)
    return {check.name: (check.state, check.message) for check in checks}


def test_the_stores_of_the_deployed_dispatcher_are_checked(fake_account: FakeAccount) -> None:
    small_dispatcher.deploy(fake_account, stores="market")
    found = states(fake_account)
    assert found["DISPATCHER"] == (State.OK, "dispatch namespace market-scripts")
    assert found["TENANT_KV"] == (State.OK, "KV namespace market-tenants")
    # This small one has no other bindings.
    assert found["USAGE_KV"][0] == State.WARNING
    assert found["Worker"][1].startswith("market is deployed without the bindings")


def test_a_store_that_was_deleted_is_named(fake_account: FakeAccount) -> None:
    small_dispatcher.deploy(fake_account, stores="market")
    fake_account.namespaces.remove("market-scripts")
    assert states(fake_account)["DISPATCHER"][0] == State.FAILED


def test_of_several_dispatchers_the_setting_names_one(fake_account: FakeAccount) -> None:
    for name in ("market", "staging"):
        small_dispatcher.deploy(fake_account, name, stores=name)
    assert "market, staging" in states(fake_account)["dispatcher"][1]
    found = states(fake_account, CLAWR_SCRIPT_NAME="staging")
    assert found["TENANT_KV"] == (State.OK, "KV namespace staging-tenants")


def test_without_a_dispatcher_the_names_of_the_configuration_are_checked(
    fake_account: FakeAccount,
) -> None:
    found = states(fake_account)
    assert found["DISPATCHER"] == (State.FAILED, "dispatch namespace clawr does not exist")
    assert "is not deployed yet" in found["Worker"][1]
