"""`clawr kv` and `clawr namespace`, on an account and on a running `make dev`."""

import pytest

from tests.cloudflare import faults
from tests.cloudflare.faults import Fault
from tests.cloudflare.stand_in import StandIn

from .command import clawr
from .market import LocalMarket


def test_one_is_shown_then_made_then_found_and_listed(stand_in: StandIn) -> None:
    create = ("kv", "create", "market")
    shown = clawr(*create, settings=stand_in.settings).out
    assert shown == "Would make the KV namespace market. Nothing was done: add --execute.\n"
    made = clawr(*create, "--execute", "--json", settings=stand_in.settings).document
    assert (made["exists"], made["created"]) == (True, True)
    found = clawr(*create, "--execute", "--json", settings=stand_in.settings).document
    assert (found["id"], found["created"]) == (made["id"], False)
    assert [one.method for one in stand_in.requests].count("POST") == 1
    listed = clawr("kv", "list", settings=stand_in.settings).out
    assert [line.split() for line in listed.splitlines()] == [
        ["name", "id"],
        ["market", made["id"]],
    ]


def test_a_dispatch_namespace_is_made_once(stand_in: StandIn) -> None:
    create = ("namespace", "create", "market", "--execute")
    assert "Made the dispatch" in clawr(*create, settings=stand_in.settings).out
    assert "exists" in clawr(*create, settings=stand_in.settings).out
    assert stand_in.namespaces.names() == ["market"]


@pytest.mark.parametrize(
    "fault", [faults.UNAUTHORIZED, faults.NO_DISPATCH_NAMESPACES], ids=["401", "403"]
)
def test_a_refusal_is_explained_and_shows_no_token(stand_in: StandIn, fault: Fault) -> None:
    stand_in.fail("*", "*/dispatch/namespaces", fault, times=None)
    ran = clawr("namespace", "list", settings=stand_in.settings)
    assert ran.code == 3
    assert fault.message in ran.err
    assert stand_in.token not in ran.out + ran.err


@pytest.mark.parametrize("fault", [faults.RATE_LIMITED, faults.CUT], ids=["429", "cut"])
def test_what_fails_once_is_asked_again(stand_in: StandIn, fault: Fault) -> None:
    stand_in.fail("POST", "*/storage/kv/namespaces", fault)
    ran = clawr("kv", "create", "market", "--execute", "--json", settings=stand_in.settings)
    assert ran.code == 0, ran.out
    assert ran.document["id"]


def test_make_dev_lists_its_own(local_market: LocalMarket) -> None:
    stores = clawr("kv", "list", "--local", "--state", local_market.state, "--json")
    assert {"TENANT_KV", "USAGE_KV"} <= {one["name"] for one in stores.document["namespaces"]}
    listed = clawr("namespace", "list", "--local", "--state", local_market.state)
    assert listed.out.split() == ["name", "clawr"]
    found = clawr("namespace", "create", "clawr", "--local", "--state", local_market.state)
    assert "exists" in found.out
