"""Prices by route: which route fits a request, and which routes are refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.urls import readings
from tenants.records import Tenant, parse_tenant
from tenants.routes import _compile
from tests.unit.tenants.test_records import REQUIRED, reasons

ROUTES: list[dict[str, Any]] = [
    {"method": "GET", "path": "/health", "priceUsd": 0},
    {"path": "/docs/*", "priceUsd": 0},
    {"path": "/premium", "priceUsd": "0.50"},
    {"method": "POST", "path": "/v1/{user}/orders", "priceUsd": "0.02"},
    {"path": "/v1/:user/files/*", "priceUsd": "0.03"},
    {"path": "/*.json", "priceUsd": 0},
]


def tenant(routes: list[dict[str, Any]] = ROUTES, **fields: object) -> Tenant:
    record = {**REQUIRED, "priceUsd": "0.01", "x402Enabled": True, "routes": routes, **fields}
    return parse_tenant(record, "r")


def price(method: str, path: str, **fields: Any) -> int:
    return tenant(**fields).at(method, readings(path)).price_micros


@pytest.mark.parametrize(
    ("method", "path", "micros"),
    [
        ("GET", "/", 10_000),
        ("GET", "/health", 0),
        ("HEAD", "/health", 0),
        ("POST", "/health", 10_000),
        ("GET", "/health/x", 10_000),
        ("GET", "/health/", 0),
        ("GET", "/HEALTH", 0),
        ("GET", "/docs", 0),
        ("GET", "/docs/", 0),
        ("GET", "/docs/a/b", 0),
        ("GET", "/docsx", 10_000),
        ("POST", "/v1/ada/orders", 20_000),
        ("GET", "/v1/ada/orders", 10_000),
        ("POST", "/v1/ada/b/orders", 10_000),
        ("POST", "/v1//orders", 10_000),
        ("GET", "/v1/ada/files/x/y", 30_000),
        ("GET", "/openapi.json", 0),
        ("GET", "/a/b.json", 0),
        ("GET", "/premium", 500_000),
    ],
)
def test_the_first_route_that_fits_sets_the_price(method: str, path: str, micros: int) -> None:
    assert price(method, path) == micros


@pytest.mark.parametrize(
    "path",
    [
        "/%70remium",
        "//premium",
        "/premium/",
        "/docs/..%2fpremium",
        "/docs/%2e%2e%2fpremium",
        "/docs/..\\premium",
        "/%2570remium",
        "/premium;x=1",
        "/PREMIUM",
    ],
)
def test_no_spelling_of_a_path_makes_it_cheaper(path: str) -> None:
    assert price("GET", path, priceUsd=0) == 500_000


def test_a_route_without_accepts_of_its_own_has_those_of_the_record_at_its_price() -> None:
    found = tenant(accepts=[{"network": "base"}, {"network": "polygon"}])
    accepts = found.at("GET", ["/premium"]).accepts
    assert [option.price_micros for option in accepts] == [500_000, 500_000]
    assert not found.at("GET", ["/health"]).accepts


def test_a_route_has_accepts_of_its_own() -> None:
    route = {"path": "/x", "priceUsd": "0.50", "accepts": [{"network": "base", "priceUsd": "0.4"}]}
    (option,) = tenant([route]).at("GET", ["/x"]).accepts
    assert (option.network, option.price_micros) == ("eip155:8453", 400_000)


def test_a_tenant_charges_if_a_route_does() -> None:
    assert len(tenant().priced) == 4
    assert not tenant([], priceUsd=0).priced
    assert not tenant(x402Enabled=False).priced


def test_a_cap_below_the_price_of_a_route_is_refused() -> None:
    (reason,) = reasons(routes=ROUTES, spendLimit={"dailySpendUsd": "0.40"})
    assert reason.startswith("spendLimit must be at least priceUsd")


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        ({"path": "/x"}, "routes[0].priceUsd must be set"),
        ({"path": "/x", "priceUsd": -1}, "routes[0].priceUsd must be"),
        ({"priceUsd": 0}, "routes[0].path must be"),
        ({"path": "x", "priceUsd": 0}, "routes[0].path must be"),
        ({"path": "/x?a=1", "priceUsd": 0}, "routes[0].path must be"),
        ({"path": "/x#a", "priceUsd": 0}, "routes[0].path must be"),
        ({"path": "/a/../b", "priceUsd": 0}, "routes[0].path must be"),
        ({"path": "/a//b", "priceUsd": 0}, "routes[0].path must be"),
        ({"path": "/a b", "priceUsd": 0}, "routes[0].path must be"),
        ({"path": "/ä", "priceUsd": 0}, "routes[0].path must be"),
        ({"path": "/" + "x" * 200, "priceUsd": 0}, "routes[0].path must be"),
        ({"method": "get", "path": "/x", "priceUsd": 0}, "routes[0].method must be"),
        ({"path": "/x", "price": 1, "priceUsd": 0}, "routes[0].price must be left out"),
        ("GET /x", "routes[0] must be an object"),
    ],
)
def test_an_unusable_route_is_refused_by_name(route: object, reason: str) -> None:
    found = reasons(routes=[route])
    assert any(one.startswith(reason) for one in found), found


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"path": "/x"}, {"path": "/x"}),
        ({"path": "/x"}, {"method": "GET", "path": "/X/"}),
        ({"method": "GET", "path": "/x"}, {"method": "HEAD", "path": "/x"}),
        ({"path": "/*"}, {"path": "/x/{name}"}),
        ({"path": "/x/{name}"}, {"path": "/x/:id"}),
        ({"path": "/x/*"}, {"path": "/x/*/y"}),
        ({"path": "/x/*"}, {"path": "/x"}),
    ],
)
def test_a_route_that_an_earlier_one_hides_is_refused(
    earlier: dict[str, str], later: dict[str, str]
) -> None:
    (reason,) = reasons(routes=[{**earlier, "priceUsd": 0}, {**later, "priceUsd": 1}])
    assert reason.startswith("routes[1].path must be above")


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"method": "GET", "path": "/x"}, {"path": "/x"}),
        ({"method": "HEAD", "path": "/x"}, {"method": "GET", "path": "/x"}),
        ({"path": "/x/{name}"}, {"path": "/x/*"}),
        ({"path": "/x/{name}/y"}, {"path": "/x/*/y"}),
        ({"path": "/x"}, {"path": "/x/*"}),
    ],
)
def test_a_route_that_fits_more_than_an_earlier_one_is_kept(
    earlier: dict[str, str], later: dict[str, str]
) -> None:
    assert len(tenant([{**earlier, "priceUsd": 0}, {**later, "priceUsd": 1}]).routes) == 2


def test_a_priced_route_needs_accepts_if_those_of_the_record_have_amounts() -> None:
    accepts = [{"network": "base", "amount": "5"}]
    (reason,) = reasons(priceUsd=1, accepts=accepts, routes=[{"path": "/x", "priceUsd": 2}])
    assert reason.startswith("routes[0].accepts must be set")
    free = [{"path": "/x", "priceUsd": 0}]
    assert not tenant(free, priceUsd=1, accepts=accepts).at("GET", ["/x"]).accepts


@pytest.mark.parametrize("routes", [{}, "x", [{"path": "/x", "priceUsd": 0}] * 51])
def test_routes_is_a_list_of_at_most_fifty(routes: object) -> None:
    (reason,) = reasons(routes=routes)
    assert reason.startswith("routes must be a list of at most 50")


def plainly(path: str) -> re.Pattern[str]:
    """Compile a path as its meaning says, without a bound of the time."""
    head, rest = (path[:-2], "(?:/.*)?") if path.endswith("/*") else (path.rstrip("/"), "")
    pattern = re.escape(head).replace(r"\*", ".*").replace(":n", "[^/]+")
    return re.compile(f"{pattern}{rest}/?", re.IGNORECASE | re.DOTALL)


@settings(max_examples=2_000)
@given(
    st.lists(st.sampled_from(["a", "b", "/", "*", ":n-", ":n/"]), max_size=7),
    st.text("ab/-", max_size=9),
)
def test_a_pattern_matches_what_it_says(parts: list[str], text: str) -> None:
    path, requested = "/" + "".join(parts), "/" + text
    matched = _compile(path).fullmatch(requested) is not None
    assert matched == (plainly(path).fullmatch(requested) is not None)


@pytest.mark.parametrize("part", ["*a", "{n}a", "*{n}a", "{n}", "*"])
def test_a_pattern_with_many_varying_parts_is_matched_in_bounded_time(part: str) -> None:
    # With backtracking, this takes longer than any test runs.
    pattern = _compile("/" + part * 24 + "b")
    assert pattern.fullmatch("/" + "a" * 2_000) is None
    assert pattern.fullmatch("/" + "a" * 2_000 + "b") is not None
