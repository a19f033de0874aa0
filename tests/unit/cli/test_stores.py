"""Stores of an account are found by name, and created only if they do not exist."""

import httpx
import pytest

from cli.errors import AccessError, ConflictError, InputError
from cli.names import check_name
from cli.stores import Store, Stores, check_kv_title, named

from .cloud import ACCOUNT, Cloud, refusal, result

NAMESPACES = "/storage/kv/namespaces"


def test_every_page_of_a_listing_is_read() -> None:
    def page(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("page", "1"))
        ids = [f"{number}-{one}" for one in range(2)] if number < 4 else []
        return result([{"id": one, "title": f"kv-{one}"} for one in ids])

    cloud = Cloud({f"GET {NAMESPACES}": page})
    assert [one.id for one in Stores(cloud.client(), ACCOUNT).kv_namespaces()] == [
        *("1-0", "1-1", "2-0", "2-1", "3-0", "3-1")
    ]


def test_a_listing_that_repeats_its_first_page_ends() -> None:
    cloud = Cloud({f"GET {NAMESPACES}": lambda _: result([{"id": "1", "title": "one"}])})
    assert Stores(cloud.client(), ACCOUNT).kv_namespaces() == [Store("one", "1")]


def test_an_existing_store_is_returned_and_nothing_is_created() -> None:
    cloud = Cloud({f"GET {NAMESPACES}": lambda _: result([{"id": "1", "title": "usage"}])})
    created = Stores(cloud.client(), ACCOUNT).create_kv_namespace("usage")
    assert (created.store.id, created.is_new) == ("1", False)
    assert not any(key.startswith("POST") for key, _ in cloud.asked)


def test_a_store_created_concurrently_is_returned() -> None:
    answers = iter([[], [{"uuid": "1", "name": "control"}]])
    cloud = Cloud(
        {
            "GET /d1/database": lambda request: result(
                [] if "page" in request.url.params else next(answers)
            ),
            "POST /d1/database": lambda _: refusal(400, 7502, "exists already"),
        }
    )
    created = Stores(cloud.client(), ACCOUNT).create_database("control")
    assert (created.store.id, created.is_new) == ("1", False)


def test_another_conflict_is_raised() -> None:
    cloud = Cloud(
        {
            "GET /workers/dispatch/namespaces": lambda _: result([]),
            "POST /workers/dispatch/namespaces": lambda _: refusal(409, 100119, "in the way"),
        }
    )
    with pytest.raises(ConflictError, match="in the way"):
        Stores(cloud.client(), ACCOUNT).create_dispatch_namespace("market")


def test_a_missing_permission_is_explained() -> None:
    cloud = Cloud({f"GET {NAMESPACES}": lambda _: refusal(403, 10000, "Authentication error")})
    with pytest.raises(AccessError, match="listing KV namespaces"):
        Stores(cloud.client(), ACCOUNT).kv_namespaces()


def test_a_missing_subscription_is_mentioned() -> None:
    cloud = Cloud({"GET /workers/dispatch/namespaces": lambda _: refusal(403, 10121, "no access")})
    with pytest.raises(AccessError) as caught:
        Stores(cloud.client(), ACCOUNT).create_dispatch_namespace("market")
    assert caught.value.advice.endswith("need a Workers for Platforms subscription.")
    assert caught.value.advice.count("subscription") == 1


def test_an_ambiguous_name_is_rejected() -> None:
    with pytest.raises(InputError, match=r"1, 2"):
        named([Store("usage", "1"), Store("usage", "2")], "usage")


@pytest.mark.parametrize("name", ["market", "a", "market-2", "my_market"])
def test_a_valid_name_is_accepted(name: str) -> None:
    assert check_name(name, "Worker") == name


@pytest.mark.parametrize("name", ["", "Market", "-market", "market-", "m" * 64, "a b", "../x"])
def test_an_invalid_name_is_rejected(name: str) -> None:
    with pytest.raises(InputError, match="not a valid name"):
        check_name(name, "Worker")


@pytest.mark.parametrize("title", ["", "  ", "a\nb", "x" * 513])
def test_an_invalid_title_is_rejected(title: str) -> None:
    with pytest.raises(InputError, match="not a valid title"):
        check_kv_title(title)
