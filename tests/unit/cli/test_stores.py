"""Stores of an account are found by name, and made once."""

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


def test_a_listing_that_repeats_itself_ends() -> None:
    cloud = Cloud({f"GET {NAMESPACES}": lambda _: result([{"id": "1", "title": "one"}])})
    assert Stores(cloud.client(), ACCOUNT).kv_namespaces() == [Store("one", "1")]


def test_what_has_the_name_already_is_found_and_nothing_is_made() -> None:
    cloud = Cloud({f"GET {NAMESPACES}": lambda _: result([{"id": "1", "title": "usage"}])})
    made = Stores(cloud.client(), ACCOUNT).make_kv_namespace("usage")
    assert (made.store.id, made.is_new) == ("1", False)
    assert not any(key.startswith("POST") for key, _ in cloud.asked)


def test_what_somebody_made_meanwhile_is_found() -> None:
    answers = iter([[], [{"uuid": "1", "name": "control"}]])
    cloud = Cloud(
        {
            "GET /d1/database": lambda request: result(
                [] if "page" in request.url.params else next(answers)
            ),
            "POST /d1/database": lambda _: refusal(400, 7502, "exists already"),
        }
    )
    made = Stores(cloud.client(), ACCOUNT).make_database("control")
    assert (made.store.id, made.is_new) == ("1", False)


def test_a_refusal_that_has_another_reason_is_said() -> None:
    cloud = Cloud(
        {
            "GET /workers/dispatch/namespaces": lambda _: result([]),
            "POST /workers/dispatch/namespaces": lambda _: refusal(409, 100119, "in the way"),
        }
    )
    with pytest.raises(ConflictError, match="in the way"):
        Stores(cloud.client(), ACCOUNT).make_dispatch_namespace("market")


def test_a_right_that_the_token_lacks_is_explained() -> None:
    cloud = Cloud({f"GET {NAMESPACES}": lambda _: refusal(403, 10000, "Authentication error")})
    with pytest.raises(AccessError, match="listing KV namespaces"):
        Stores(cloud.client(), ACCOUNT).kv_namespaces()


def test_a_subscription_that_is_missing_is_thought_of() -> None:
    cloud = Cloud({"GET /workers/dispatch/namespaces": lambda _: refusal(403, 10121, "no access")})
    with pytest.raises(AccessError) as caught:
        Stores(cloud.client(), ACCOUNT).make_dispatch_namespace("market")
    assert caught.value.advice.endswith("need a Workers for Platforms subscription.")
    assert caught.value.advice.count("subscription") == 1


def test_a_name_that_two_have_finds_neither() -> None:
    with pytest.raises(InputError, match=r"1, 2"):
        named([Store("usage", "1"), Store("usage", "2")], "usage")


@pytest.mark.parametrize("name", ["market", "a", "market-2", "my_market"])
def test_a_name_that_can_be_used(name: str) -> None:
    assert check_name(name, "Worker") == name


@pytest.mark.parametrize("name", ["", "Market", "-market", "market-", "m" * 64, "a b", "../x"])
def test_a_name_that_cannot_be_used(name: str) -> None:
    with pytest.raises(InputError, match="small letters"):
        check_name(name, "Worker")


@pytest.mark.parametrize("title", ["", "  ", "a\nb", "x" * 513])
def test_a_title_that_cannot_be_used(title: str) -> None:
    with pytest.raises(InputError, match="title of a KV namespace"):
        check_kv_title(title)
