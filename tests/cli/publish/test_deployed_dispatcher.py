"""Commands on published APIs use the stores of the deployed dispatcher, whatever their names."""

import asyncio
from pathlib import Path

import pytest

from tests.cli import small_dispatcher
from tests.cli.command import Ran, clawr_inside
from tests.cloudflare.fake_account import FakeAccount

CODE = "export default { fetch: () => new Response('hello') };\n"


class Publisher:
    """Runs commands on the fake account."""

    def __init__(self, account: FakeAccount, folder: Path) -> None:
        self.account, self.folder = account, folder
        (folder / "hello.js").write_text(CODE)

    def __call__(self, *arguments: str, **settings: str) -> Ran:
        return clawr_inside(
            *arguments, settings={**self.account.settings, **settings}, folder=self.folder
        )

    def publish(self, *more: str, **settings: str) -> Ran:
        return self("publish", "hello.js", "--slug", "hello", "--execute", *more, **settings)

    def scripts(self, namespace: str) -> list[str]:
        return [*self.account.namespaces.scripts(namespace).names()]

    def records(self, title: str) -> list[str]:
        """Return the slugs in the directory with this title."""
        namespaces = {one.title: one.id for one in asyncio.run(self.account.kv.namespaces())}
        entries = self.account.kv._live(namespaces[title])
        return [key.removeprefix("tenant/") for key in entries if key.startswith("tenant/")]


@pytest.fixture
def publisher(fake_account: FakeAccount, tmp_path: Path) -> Publisher:
    """An account, empty at first."""
    return Publisher(fake_account, tmp_path)


def test_all_four_commands_find_the_stores_of_the_only_dispatcher(publisher: Publisher) -> None:
    small_dispatcher.deploy(publisher.account, stores="market")
    ran = publisher.publish()
    assert ran.code == 0, ran.err
    assert publisher.scripts("market-scripts") == ["hello"]
    assert publisher.records("market-tenants") == ["hello"]
    assert [one["slug"] for one in publisher("apis", "--json").document["apis"]] == ["hello"]
    assert publisher("show", "hello", "--json").document["problems"] == []
    assert publisher("unpublish", "hello", "--execute").code == 0
    assert publisher.records("market-tenants") == []


def test_the_stores_of_the_dispatcher_come_before_those_with_the_usual_names(
    publisher: Publisher,
) -> None:
    publisher.account.namespaces.create("clawr")
    asyncio.run(publisher.account.kv.create("TENANT_KV"))
    small_dispatcher.deploy(publisher.account, stores="market")
    assert publisher.publish().code == 0
    assert (publisher.scripts("clawr"), publisher.records("TENANT_KV")) == ([], [])
    assert publisher.records("market-tenants") == ["hello"]


def test_a_worker_without_shards_is_no_dispatcher(publisher: Publisher) -> None:
    small_dispatcher.deploy(publisher.account, stores="market")
    small_dispatcher.deploy(
        publisher.account,
        "other",
        stores="other",
        shard=None,
        migrations={"new_tag": "1", "new_sqlite_classes": ["Other"]},
    )
    assert publisher.publish().code == 0
    assert publisher.records("market-tenants") == ["hello"]


def test_of_several_dispatchers_one_must_be_named(publisher: Publisher) -> None:
    for name in ("staging", "market"):
        small_dispatcher.deploy(publisher.account, name, stores=name)
    ran = publisher.publish()
    assert ran.code == 2
    assert "market, staging" in ran.err
    assert "CLAWR_SCRIPT_NAME" in ran.err
    assert publisher.publish("--dispatcher", "staging").code == 0
    assert publisher.publish(CLAWR_SCRIPT_NAME="market").code == 0
    assert publisher.records("staging-tenants") == ["hello"]
    assert publisher.records("market-tenants") == ["hello"]


def test_a_dispatcher_that_does_not_exist_is_named(publisher: Publisher) -> None:
    ran = publisher.publish("--dispatcher", "markt")
    assert (ran.code, "no Worker markt" in ran.err) == (4, True)


def test_settings_name_other_stores_and_options_come_first(publisher: Publisher) -> None:
    small_dispatcher.deploy(publisher.account, stores="market")
    for name in ("setting", "option"):
        publisher.account.namespaces.create(name)
    ids = {
        title: asyncio.run(publisher.account.kv.create(title)).id for title in ("setting", "option")
    }
    settings = {
        "CLOUDFLARE_DISPATCH_NAMESPACE": "setting",
        "CLOUDFLARE_TENANT_KV_ID": ids["setting"],
    }
    assert publisher.publish(**settings).code == 0
    assert (publisher.scripts("setting"), publisher.records("setting")) == (["hello"], ["hello"])
    options = ("--dispatch-namespace", "option", "--tenant-kv-id", ids["option"])
    assert publisher.publish(*options, **settings).code == 0
    assert (publisher.scripts("option"), publisher.records("option")) == (["hello"], ["hello"])
    assert publisher.records("market-tenants") == []


def test_what_is_not_named_is_that_of_the_dispatcher(publisher: Publisher) -> None:
    small_dispatcher.deploy(publisher.account, stores="market")
    other = asyncio.run(publisher.account.kv.create("other")).id
    assert publisher.publish("--tenant-kv-id", other).code == 0
    assert (publisher.scripts("market-scripts"), publisher.records("other")) == (
        ["hello"],
        ["hello"],
    )


SOLANA_PAYEE = "7ZG9juKTJqLpxw5bjRigj7GVrrFzh3DjbChTv8muBP71"
PRICED = ("--price", "0.01", "--pay-to", SOLANA_PAYEE)
PAYMENTS = {
    "X402_NETWORK": "eip155:84532",
    "X402_ASSET": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
}


def deploy_with_payments(account: FakeAccount, name: str = "market") -> None:
    variables = [
        {"type": "plain_text", "name": name, "text": text} for name, text in PAYMENTS.items()
    ]
    decimals = {"type": "json", "name": "X402_ASSET_DECIMALS", "json": 6}
    small_dispatcher.deploy(account, name, stores=name, bindings=[*variables, decimals])


@pytest.mark.parametrize("has_ids", [False, True])
def test_a_record_that_does_not_fit_the_dispatchers_settings_is_not_published(
    publisher: Publisher, has_ids: bool
) -> None:
    deploy_with_payments(publisher.account)
    (tenants,) = [one.id for one in asyncio.run(publisher.account.kv.namespaces())]
    ids = ("--tenant-kv-id", tenants, "--dispatch-namespace", "market-scripts") if has_ids else ()
    ran = publisher.publish(*PRICED, *ids)
    assert ran.code == 2, ran.out + ran.err
    assert "In the record of hello it must be an address on eip155:84532" in ran.err
    assert "Nothing was sent" in ran.err
    assert publisher.scripts("market-scripts") == publisher.records("market-tenants") == []


def test_settings_of_a_dispatcher_that_may_be_another_are_not_used(publisher: Publisher) -> None:
    for name in ("market", "staging"):
        deploy_with_payments(publisher.account, name)
    other = asyncio.run(publisher.account.kv.create("other")).id
    ids = ("--tenant-kv-id", other, "--dispatch-namespace", "market-scripts")
    for dispatcher in ((), ("--dispatcher", "market")):
        assert publisher.publish(*PRICED, *ids, *dispatcher).code == 0
    assert publisher.records("other") == ["hello"]
