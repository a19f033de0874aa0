"""The fake account deploys an earlier version only where Cloudflare does."""

from typing import Any

import cloudflare
import pytest

from tests.cli import small_dispatcher

from .fake_account import ACCOUNT, FakeAccount
from .workers import DEPLOYABLE_MAX, SECRETS_CHANGED

NAME = "market"


def deploy(client: cloudflare.Cloudflare, version: str, *, force: bool = False) -> None:
    client.workers.scripts.deployments.create(
        NAME,
        account_id=ACCOUNT,
        strategy="percentage",
        versions=[{"version_id": version, "percentage": 100}],
        force=force,
    )


def refused(client: cloudflare.Cloudflare, version: str, *, force: bool = False) -> dict[str, Any]:
    """Return the error of a deployment that is refused."""
    with pytest.raises(cloudflare.APIStatusError) as caught:
        deploy(client, version, force=force)
    body: Any = caught.value.body
    first: dict[str, Any] = body["errors"][0]
    return first


def deployable(client: cloudflare.Cloudflare) -> list[str]:
    raw = client.workers.scripts.versions.with_raw_response.list(
        NAME, account_id=ACCOUNT, deployable=True
    )
    return [one["id"] for one in raw.http_response.json()["result"]["items"]]


def secret(value: str) -> dict[str, str]:
    return {"type": "secret_text", "name": "KEY", "text": value}


def test_an_earlier_version_is_deployed(
    account: FakeAccount, client: cloudflare.Cloudflare
) -> None:
    first, second = (small_dispatcher.deploy(account, NAME) for _ in range(2))
    assert deployable(client) == [second, first]
    deploy(client, first)
    worker = account.workers.find(NAME)
    assert worker is not None
    assert worker.deployments[-1]["versions"][0]["version_id"] == first


def test_a_version_before_a_migration_is_refused_even_with_force(
    account: FakeAccount, client: cloudflare.Cloudflare
) -> None:
    first = small_dispatcher.deploy(account, NAME)
    migrations = {"old_tag": "usage-shard", "new_tag": "2", "new_sqlite_classes": ["Other"]}
    second = small_dispatcher.deploy(account, NAME, migrations=migrations)
    assert deployable(client) == [second]
    assert "migration" in refused(client, first, force=True)["message"]
    # The SDK cannot read this response as a type of its own.
    raw = client.workers.scripts.versions.with_raw_response.get(
        first, account_id=ACCOUNT, script_name=NAME
    )
    resources = raw.http_response.json()["result"]["resources"]
    assert resources["script_runtime"]["migration_tag"] == "usage-shard"


def test_only_the_newest_versions_are_deployed_again(
    account: FakeAccount, client: cloudflare.Cloudflare
) -> None:
    versions = [small_dispatcher.deploy(account, NAME) for _ in range(DEPLOYABLE_MAX + 1)]
    assert deployable(client) == versions[:0:-1]
    assert "newest" in refused(client, versions[0])["message"]


def test_changed_secrets_need_force(account: FakeAccount, client: cloudflare.Cloudflare) -> None:
    first = small_dispatcher.deploy(account, NAME, bindings=[secret("old")])
    small_dispatcher.deploy(account, NAME, bindings=[secret("new")])
    error = refused(client, first)
    assert error["code"] == SECRETS_CHANGED
    assert error["message"].endswith("KEY")
    deploy(client, first, force=True)


def test_a_version_that_is_bound_to_a_deleted_store_is_refused(
    account: FakeAccount, client: cloudflare.Cloudflare
) -> None:
    first = small_dispatcher.deploy(account, NAME, stores="market")
    small_dispatcher.deploy(account, NAME)
    account.namespaces.remove("market-scripts")
    assert "DISPATCHER" in refused(client, first)["message"]
