"""`clawr kv` and `clawr namespace`, on an account and on a running `make dev`."""

import pytest

from tests.cloudflare import faults
from tests.cloudflare.fake_account import FakeAccount
from tests.cloudflare.faults import Fault

from .command import clawr_inside
from .market import LocalMarket


def test_a_kv_namespace_is_created_once_and_listed(fake_account: FakeAccount) -> None:
    create = ("kv", "create", "market")
    shown = clawr_inside(*create, settings=fake_account.settings).out
    assert shown == (
        "Would create the KV namespace market. Nothing was changed. Add --execute to apply.\n"
    )
    created = clawr_inside(*create, "--execute", "--json", settings=fake_account.settings).document
    assert (created["exists"], created["created"]) == (True, True)
    found = clawr_inside(*create, "--execute", "--json", settings=fake_account.settings).document
    assert (found["id"], found["created"]) == (created["id"], False)
    assert [one.method for one in fake_account.requests].count("POST") == 1
    listed = clawr_inside("kv", "list", settings=fake_account.settings).out
    assert [line.split() for line in listed.splitlines()] == [
        ["name", "id"],
        ["market", created["id"]],
    ]


def test_a_dispatch_namespace_is_created_once(fake_account: FakeAccount) -> None:
    create = ("namespace", "create", "market", "--execute")
    assert "Created the dispatch" in clawr_inside(*create, settings=fake_account.settings).out
    assert "exists" in clawr_inside(*create, settings=fake_account.settings).out
    assert fake_account.namespaces.names() == ["market"]


@pytest.mark.parametrize(
    "fault", [faults.UNAUTHORIZED, faults.NO_DISPATCH_NAMESPACES], ids=["401", "403"]
)
def test_a_rejected_request_is_explained_without_the_token(
    fake_account: FakeAccount, fault: Fault
) -> None:
    fake_account.fail("*", "*/dispatch/namespaces", fault, times=None)
    ran = clawr_inside("namespace", "list", settings=fake_account.settings)
    assert ran.code == 3
    assert fault.message in ran.err
    assert fake_account.token not in ran.out + ran.err


@pytest.mark.parametrize("fault", [faults.RATE_LIMITED, faults.CUT], ids=["429", "cut"])
def test_a_temporary_failure_is_retried(fake_account: FakeAccount, fault: Fault) -> None:
    fake_account.fail("POST", "*/storage/kv/namespaces", fault)
    ran = clawr_inside(
        "kv", "create", "market", "--execute", "--json", settings=fake_account.settings
    )
    assert ran.code == 0, ran.out
    assert ran.document["id"]


def test_make_dev_has_its_own_stores(local_market: LocalMarket) -> None:
    stores = clawr_inside("kv", "list", "--local", "--state", local_market.state, "--json")
    assert {"TENANT_KV", "USAGE_KV"} <= {one["name"] for one in stores.document["namespaces"]}
    listed = clawr_inside("namespace", "list", "--local", "--state", local_market.state)
    assert listed.out.split() == ["name", "clawr"]
    found = clawr_inside("namespace", "create", "clawr", "--local", "--state", local_market.state)
    assert "exists" in found.out
