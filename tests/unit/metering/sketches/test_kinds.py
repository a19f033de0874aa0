"""Kinds of requests: counts by status class, method and outcome, in bounded space."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SummaryUnreadable
from metering.sketches import kinds
from metering.sketches.kinds import OTHER, OUTCOME_LENGTH_MAX, KindCounts, Kinds

Request = tuple[tuple[int, str, str], int, int, int]

requests = st.lists(
    st.tuples(
        st.tuples(
            st.sampled_from([2, 4, 5]),
            st.sampled_from(["GET", "POST", "BREW"]),
            st.sampled_from(["served", "rate_limited", "x" * (OUTCOME_LENGTH_MAX + 1), "other"]),
        ),
        st.integers(0, 1),
        st.integers(0, 1),
        st.integers(0, 10**9),
    ),
    max_size=30,
)


@pytest.fixture(scope="module", params=[5, 128], autouse=True)
def limit(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "KINDS_MAX", request.param)
        yield


def of(some: Sequence[Request]) -> Kinds:
    found = Kinds()
    for request in some:
        found.add(*request)
    return found


def merged(*parts: Kinds) -> Kinds:
    found = Kinds()
    for part in parts:
        found.merge(part)
    return found


@given(requests, requests, requests)
def test_any_order_and_grouping_gives_the_same_result(
    one: list[Request], other: list[Request], third: list[Request]
) -> None:
    left = merged(merged(of(one), of(other)), of(third))
    right = merged(of(third), merged(of(other), of(one)), Kinds())
    assert left == right == of([*one, *other, *third])
    assert left.encode() == right.encode()


@given(requests)
def test_kinds_are_decoded_as_they_were_encoded(some: list[Request]) -> None:
    text = json.dumps(of(some).encode())
    found = Kinds.decode(json.loads(text))
    assert found == of(some)
    assert json.dumps(found.encode()) == text


@given(requests)
def test_nothing_is_lost_and_the_number_of_kinds_is_bounded(some: list[Request]) -> None:
    rows = of(some).encode()
    assert sum(row[3] for row in rows) == len(some)
    assert sum(row[6] for row in rows) == sum(micros for *_, micros in some)
    assert len([row for row in rows if tuple(row[:3]) != OTHER]) <= kinds.KINDS_MAX


@given(requests)
def test_breakdowns_equal_a_count_of_the_requests(some: list[Request]) -> None:
    if kinds.KINDS_MAX < 128:
        return
    expected = Counter(kind[1] if kind[1] != "BREW" else "other" for kind, *_ in some)
    found = of(some).by("method")
    assert {name: counts.requests for name, counts in found.items()} == dict(expected)
    classes = Counter(str(kind[0]) for kind, *_ in some)
    found = of(some).by("status_class")
    assert {name: counts.requests for name, counts in found.items()} == dict(classes)


def test_each_kind_has_its_requests_calls_errors_and_revenue() -> None:
    served, refused = (2, "GET", "served"), (4, "GET", "rate_limited")
    found = of([(served, 1, 0, 10), (served, 1, 1, 5), (refused, 0, 0, 0)])
    assert found.by("outcome") == {
        "rate_limited": KindCounts(1, 0, 0, 0),
        "served": KindCounts(2, 2, 1, 15),
    }


@pytest.mark.parametrize(
    "bad",
    [
        None,
        {},
        [7],
        [[2, "GET", "served", 1, 1, 0]],
        [[2, "GET", "served", 1, 1, 0, -1]],
        [[2, "GET", "served", 1, 1, 0, True]],
        [[2, 7, "served", 1, 1, 0, 0]],
    ],
)
def test_an_invalid_encoding_is_rejected_when_it_is_needed(bad: object) -> None:
    with pytest.raises(SummaryUnreadable):
        Kinds.decode(bad).by("method")
