"""Any JSON value becomes a snapshot of the documented shape; a sanitized one stays unchanged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import WINDOWS
from api.explore.sanitize import empty_snapshot, is_snapshot, safe_snapshot
from tests.support.explore_shape import (
    API,
    DIRECTORY,
    FRESHNESS,
    HERO,
    POINT,
    SNAPSHOT,
    check_sanitized,
)
from tests.support.fakes import NOON_MS
from tests.support.platform_scene import ROUTES, Scene

NOON = "2026-11-22T12:00:00.000Z"

hostile = st.sampled_from(
    [
        "<script>alert(1)</script>",
        "\u202egnp.exe",
        "\ud800",
        "a\x00b\nc",
        "=1+1",
        "  ",
        "@",
        "@@",
        "/t/x",
        "/t/../x",
        "//evil.example",
        "javascript:alert(1)",
        "/t/x; rm -rf ~",
        NOON,
        "2026-11-22T12:00+14:00",
        "0001-01-01T00:00+14:00",
        "9999-12-31T23:59:59.999999-14:00",
        "x" * 500,
    ]
)
numbers = st.integers() | st.floats() | st.sampled_from([2**53, 10**400, -(10**400), -0.0, 1e308])
scalars = st.none() | st.booleans() | numbers | st.text(st.characters()) | hostile
names = st.sampled_from(
    sorted({*SNAPSHOT, *HERO, *API, *DIRECTORY, *POINT, *FRESHNESS, "startAt", "endAt"})
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(names, inner, max_size=12),
    max_leaves=40,
)


values = scalars | st.lists(scalars, max_size=4) | st.dictionaries(names, scalars, max_size=4)
"""A field's value: whole documents and rows nest deeper. Most CPU time goes into drawing leaves."""


def fields_of(*known: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these fields, and any values."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(known, values))


rows = st.fixed_dictionaries(
    {"endpoint": st.sampled_from(["/t/a", "/t/b", "/t/c.d/e", "/"]) | anything},
    optional=dict.fromkeys(sorted(API - {"endpoint"}), values),
)
documents = (
    st.fixed_dictionaries(
        {},
        optional={
            "window": scalars,
            "generatedAt": scalars,
            "range": fields_of("startAt", "endAt"),
            "heroStats": fields_of(*HERO),
            "previous": fields_of("range", "heroStats"),
            "allApis": st.lists(rows | anything, max_size=8),
            "topApis": st.lists(rows, max_size=3),
            "directories": st.lists(fields_of(*DIRECTORY), max_size=4),
            "series": st.lists(fields_of(*POINT), max_size=6),
            "freshness": fields_of(*FRESHNESS),
        },
    )
    | anything
)
windows = st.sampled_from(WINDOWS)


@settings(max_examples=300, deadline=None)
@given(documents, windows, st.integers(0, 100))
def test_any_value_becomes_a_safe_snapshot_and_sanitizing_is_idempotent(
    document: Any, window: str, top: int
) -> None:
    found = safe_snapshot(document, window, NOON_MS, top)
    text = json.dumps(found, allow_nan=False)
    read: dict[str, Any] = json.loads(text)
    check_sanitized(read, window, top)
    assert safe_snapshot(read, window, NOON_MS + 1, top) == read


@pytest.mark.parametrize("window", WINDOWS)
def test_a_snapshot_of_this_dispatcher_keeps_every_shown_value(window: str) -> None:
    scene = Scene()
    scene.commit(7)
    snapshot = scene.body(ROUTES[0], f"?window={window}&top=1")["snapshot"]
    found = safe_snapshot(snapshot, window, 0, 1)
    check_sanitized(dict(found), window, 1)
    for name in SNAPSHOT - {"allApis", "topApis", "freshness"}:
        assert found[name] == snapshot[name], name
    for name in FRESHNESS:
        assert found["freshness"][name] == snapshot["freshness"][name]
    (row,), (original,) = found["allApis"], snapshot["allApis"]
    # The only value of a snapshot that may be negative.
    assert row["trendingScore"] == max(0, original["trendingScore"])
    for name in API - {"trendingScore"}:
        assert row[name] == original[name], name


@pytest.mark.parametrize("window", WINDOWS)
def test_the_empty_snapshot_has_the_documented_shape(window: str) -> None:
    found = dict(empty_snapshot(window, NOON_MS))
    check_sanitized(found, window, 25)
    assert found["generatedAt"] == NOON
    start = {"today": "2026-11-22T00:00:00.000Z", "week": "2026-11-16T00:00:00.000Z"}
    assert found["range"] == {"startAt": start.get(window), "endAt": NOON}
    assert not any(found["heroStats"].values())
    assert found["freshness"]["asOf"] is None


def apis(*rows: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = list(
        safe_snapshot({"allApis": list(rows)}, "today", NOON_MS, 0)["allApis"]
    )
    return found


def row(endpoint: str = "/t/a", **given: Any) -> dict[str, Any]:
    return {"endpoint": endpoint, **given}


@pytest.mark.parametrize(
    "endpoint",
    [
        None,
        7,
        "",
        "//",
        "/.",
        "//evil.example/x",
        "https://evil.example",
        "javascript:alert(1)",
        "/t/a b",
        "/t/$(reboot)",
        "/t/a'",
        "/t/../__platform",
        "/t/a/..",
        "/t/a\n",
        "/t/\u202e",
        "/t/" + "a" * 200,
    ],
)
def test_a_row_with_an_unsafe_endpoint_is_dropped(endpoint: Any) -> None:
    assert apis(row(endpoint), None, [], "row", row("/t/fine"))[0]["endpoint"] == "/t/fine"
    assert len(apis(row(endpoint), row("/t/fine"))) == 1


def test_a_row_at_the_root_of_a_host_is_kept() -> None:
    assert [api["endpoint"] for api in apis(row("/"), row("/t/a/"))] == ["/", "/t/a/"]


def test_missing_fields_of_a_row_have_defaults() -> None:
    (found,) = apis(row())
    assert (found["id"], found["owner"], found["directory"]) == ("/t/a", "@unknown", "APIs")
    assert (found["errorRatePct"], found["uptimePct"], found["trend"]) == (0, 100, [])
    (found,) = apis(row(errorRatePct=12.5))
    assert found["uptimePct"] == 87.5


def test_names_become_one_line_without_hidden_characters() -> None:
    (found,) = apis(
        row(owner="al\u202eice\n ", directory="\x00 \u2066", id="t:\ud800a" + "b" * 999)
    )
    assert (found["owner"], found["directory"]) == ("@alice", "APIs")
    assert found["id"] == ("t:a" + "b" * 999)[:300]
    (found,) = apis(row(owner="@" + "o" * 300, directory="مرحبا 👩\u200d🔬"))
    assert found["owner"] == "@" + "o" * 200
    assert found["directory"] == "مرحبا 👩\u200d🔬", "joiners are preserved"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (7, 7),
        (7.9, 7),
        (-1, 0),
        (float("nan"), 0),
        (float("inf"), 2**53 - 1),
        (10**400, 2**53 - 1),
        ("7", 0),
        (True, 0),
        (None, 0),
        ([7], 0),
    ],
)
def test_counts_are_whole_and_exact_in_javascript(given: Any, expected: int) -> None:
    (found,) = apis(row(calls=given, trend=[given]))
    assert (found["calls"], found["trend"]) == (expected, [expected])
    assert type(found["calls"]) is int


def test_ranks_keep_their_order_and_have_no_gaps() -> None:
    found = apis(row("/t/c", rank=7), row("/t/a", rank=2), None, row("/t/b", rank=3))
    assert [(api["rank"], api["endpoint"]) for api in found] == [
        (1, "/t/a"),
        (2, "/t/b"),
        (3, "/t/c"),
    ]
    broken = apis(row("/t/c", rank=7), row("/t/a"), row("/t/b", rank=-3))
    assert [api["endpoint"] for api in broken] == ["/t/c", "/t/a", "/t/b"], "in the given order"


def test_the_first_of_rows_with_the_same_id_is_used() -> None:
    found = apis(row("/t/a", id="x", calls=1), row("/t/b", id="x", calls=2), row("/t/a", id="y"))
    assert [(api["id"], api["calls"]) for api in found] == [("x", 1), ("y", 0)]


def test_rows_and_points_are_limited() -> None:
    many = [row(f"/t/a{number}") for number in range(5_000)]
    assert len(apis(*many)) == 1_000
    days = [
        {"startAt": f"{2000 + n // 360}-{n // 30 % 12 + 1:02d}-{n % 30 + 1:02d}T00:00Z"}
        for n in range(4_000)
    ]
    days = [
        day for day in days if "-02-29" not in day["startAt"] and "-02-30" not in day["startAt"]
    ]
    found = safe_snapshot({"series": days}, "overall", NOON_MS, 0)["series"]
    assert len(found) == 3_660
    assert found[-1]["startAt"].startswith(days[-1]["startAt"][:10]), "the newest are preserved"


def test_hero_statistics_are_at_least_the_sum_of_the_rows() -> None:
    found = safe_snapshot(
        {
            "heroStats": {"calls": 5, "revenueMicros": 0, "activeAgents": 1, "publishedApis": 9},
            "allApis": [
                row("/t/a", calls=4, revenueMicros=10_000, uniqueCallers=3),
                row("/t/b", calls=3, revenueUsd=0.02),
            ],
            "directories": [{"directory": "A"}, {"directory": "A"}, {"directory": "B"}],
        },
        "today",
        NOON_MS,
        1,
    )
    assert found["heroStats"] == {
        "activeAgents": 3,
        "publishedApis": 9,
        "directories": 2,
        "calls": 7,
        "revenueUsd": 0.03,
        "revenueMicros": 30_000,
    }


def test_the_previous_period_is_kept_if_its_range_is_valid() -> None:
    bounds = {"startAt": "2026-11-21T00:00:00.000Z", "endAt": "2026-11-21T12:00:00.000Z"}
    hero = {"activeAgents": 1, "publishedApis": 2, "directories": 1, "calls": 9}
    money = {"revenueUsd": 1.5, "revenueMicros": 1_500_000}
    previous = {"range": bounds, "heroStats": {**hero, **money}}

    def shown(value: Any, window: str = "today") -> Any:
        return safe_snapshot({"previous": value}, window, NOON_MS, 0)["previous"]

    assert shown(previous) == previous
    assert shown(None) is None
    for start in (None, "2026-11-21T00:00:00.000Z"):
        ever = shown({**previous, "range": {**bounds, "startAt": start}}, "overall")
        assert ever == {**previous, "range": {**bounds, "startAt": None}}
    assert shown({**previous, "range": {}}, "overall") is None
    for spoilt in ({"startAt": "yesterday"}, {"endAt": None}, {"startAt": NOON}):
        assert shown({**previous, "range": {**bounds, **spoilt}}) is None


@pytest.mark.parametrize(("window", "points"), [("today", 24), ("week", 7), ("overall", 30)])
def test_a_trend_keeps_its_newest_points(window: str, points: int) -> None:
    given = {"allApis": [row(trend=list(range(50)))]}
    (found,) = safe_snapshot(given, window, NOON_MS, 0)["allApis"]
    assert found["trend"] == list(range(50))[-points:]


def test_a_snapshot_with_invalid_values_is_still_a_snapshot() -> None:
    good = {"window": "week", "heroStats": {}, "allApis": []}
    assert is_snapshot(good, "week")
    assert is_snapshot({"heroStats": {"calls": "many"}, "topApis": [None]}, "week")
    spoilt: list[Any] = [
        None,
        [],
        "snapshot",
        {},
        {**good, "window": "today"},
        {**good, "heroStats": 7},
        {**good, "allApis": {}},
        {"heroStats": {}},
    ]
    for bad in spoilt:
        assert not is_snapshot(bad, "week"), bad
