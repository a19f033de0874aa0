"""Summaries: one or several parts, each with a checksum, and complete or ignored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from core import constants
from core.calendar import Period
from core.errors import ReadTooLarge
from core.kv_store import get_all
from metering.events import Api, Batch
from metering.summary import Summary, encode_summary, get_summaries, put_summary
from metering.totals import Totals
from tests.support.builders import event
from tests.support.fakes import NOON_MS, FakeStore

PERIOD = Period("day", NOON_MS // 60_000 // 1_440 * 1_440)
KEY = "summary/day/x"


@pytest.fixture(autouse=True)
def short_parts() -> Iterator[None]:
    """Lower the limit, so that a few APIs need several parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "SUMMARY_PART_LENGTH_MAX", 500)
        yield


def a_summary(apis: int, calls: int = 1) -> Summary:
    totals = Totals()
    rows = [
        event(NOON_MS + call, Api(f"t{number}", f"api-{number}", "ü", "Data", 10))
        for number in range(apis)
        for call in range(calls)
    ]
    totals.add(Batch(rows, 0))
    return Summary(PERIOD, [f"{apis}:{calls}"], totals, [])


def read_back(store: FakeStore) -> Summary | None:
    return asyncio.run(get_summaries(store, {KEY: PERIOD}))[KEY]


@pytest.mark.parametrize("apis", [0, 1, 3, 4, 40])
def test_a_summary_of_any_size_is_read_as_it_was_written(apis: int) -> None:
    store, summary = FakeStore(), a_summary(apis)
    asyncio.run(put_summary(store, KEY, summary))
    assert read_back(store) == summary
    assert all(len(value) < 1_000 for value, _ in store.values.values())
    assert (len(store.values) > 1) == (apis > 3)


def test_the_head_is_written_last() -> None:
    store = FakeStore()
    asyncio.run(put_summary(store, KEY, a_summary(40)))
    assert list(store.values)[-1] == KEY


@pytest.mark.parametrize("number", range(3))
def test_a_part_of_another_version_is_not_accepted(number: int) -> None:
    store = FakeStore()
    asyncio.run(put_summary(store, KEY, a_summary(12)))
    other = dict(encode_summary(a_summary(12, calls=2)))
    key = KEY if number == 0 else f"{KEY}/{number}"
    store.values[key] = (other[number], {})
    assert read_back(store) is None
    del store.values[key]
    assert read_back(store) is None


def test_values_that_are_too_large_together_are_read_in_smaller_groups() -> None:
    store = FakeStore()
    names = [f"k{number}" for number in range(5)]
    store.values = {name: ("x" * 12_000_000, {}) for name in names}
    with pytest.raises(ReadTooLarge):
        asyncio.run(store.get_many(names))
    found = asyncio.run(get_all(store, names))
    assert {name: len(value or "") for name, value in found.items()} == dict.fromkeys(
        names, 12_000_000
    )
