"""`clawr kv` and `clawr namespace`, on an account and on a running `make dev`."""

import pytest

from tests.cloudflare import faults
from tests.cloudflare.faults import Fault
from tests.cloudflare.stand_in import StandIn

from .command import clawr
from .market import LocalMarket


def test_a_kv_namespace_is_created_once_and_listed(stand_in: StandIn) -> None:
    create = ("kv", "create", "market")
    shown = clawr(*create, settings=stand_in.settings).out
    assert shown == (
        "Would create the KV namespace market. Nothing was changed. Add --execute to apply.\n"
    )
    created = clawr(*create, "--execute", "--json", settings=stand_in.settings).document
    assert (created["exists"], created["created"]) == (True, True)
    found = clawr(*create, "--execute", "--json", settings=stand_in.settings).document
    assert (found["id"], found["created"]) == (created["id"], False)
    assert [one.method for one in stand_in.requests].count("POST") == 1
    listed = clawr("kv", "list", settings=stand_in.settings).out
    assert [line.split() for line in listed.splitlines()] == [
        ["name", "id"],
        ["market", created["id"]],
    ]


def test_a_dispatch_namespace_is_created_once(stand_in: StandIn) -> None:
    create = ("namespace", "create", "market", "--execute")
    assert "Created the dispatch" in clawr(*create, settings=stand_in.settings).out
    assert "exists" in clawr(*create, settings=stand_in.settings).out
    assert stand_in.namespaces.names() == ["market"]


@pytest.mark.parametrize(
    "fault", [faults.UNAUTHORIZED, faults.NO_DISPATCH_NAMESPACES], ids=["401", "403"]
)
def test_a_rejected_request_is_explained_without_the_token(stand_in: StandIn, fault: Fault) -> None:
    stand_in.fail("*", "*/dispatch/namespaces", fault, times=None)
    ran = clawr("namespace", "list", settings=stand_in.settings)
    assert ran.code == 3
    assert fault.message in ran.err
    assert stand_in.token not in ran.out + ran.err


@pytest.mark.parametrize("fault", [faults.RATE_LIMITED, faults.CUT], ids=["429", "cut"])
def test_a_temporary_failure_is_retried(stand_in: StandIn, fault: Fault) -> None:
    stand_in.fail("POST", "*/storage/kv/namespaces", fault)
    ran = clawr("kv", "create", "market", "--execute", "--json", settings=stand_in.settings)
    assert ran.code == 0, ran.out
    assert ran.document["id"]


def test_make_dev_has_its_own_stores(local_market: LocalMarket) -> None:
    stores = clawr("kv", "list", "--local", "--state", local_market.state, "--json")
    assert {"TENANT_KV", "USAGE_KV"} <= {one["name"] for one in stores.document["namespaces"]}
    listed = clawr("namespace", "list", "--local", "--state", local_market.state)
    assert listed.out.split() == ["name", "clawr"]
    found = clawr("namespace", "create", "clawr", "--local", "--state", local_market.state)
    assert "exists" in found.out
